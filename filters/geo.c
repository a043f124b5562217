/*
 * geo: the country and the autonomous system of the client's address, from MaxMind's files (or any
 * others of their format) when some are given. They are mapped into memory when the configuration
 * is read, so a look-up costs no question and no system call. New files are taken by a reload; a
 * file must be replaced by renaming, never written over. An address that a file does not know has
 * no country and no number: rules see nothing, which equals no value.
 */
#include "filters/stage.h"

#include <errno.h>
#include <inttypes.h>
#include <maxminddb.h>

#include "base/die.h"
#include "base/escape.h"

/* Of the longest name of an organisation that is shown. */
#define OWNER_MAX 100

struct geo_conf {
	char *country_file, *network_file;
	MMDB_s *country, *network; /* NULL: not given */
};

static void
close_file(void *object)
{
	MMDB_close(object);
}

static bool
open_file(const char *path, struct arena *arena, MMDB_s **out, struct err *e)
{
	MMDB_s *file;
	int status;

	if (path[0] == '\0')
		return true;
	file = ARENA_NEW(arena, MMDB_s);
	status = MMDB_open(path, MMDB_MODE_MMAP, file);
	if (status != MMDB_SUCCESS)
		return err_set(e, ERR_SYSTEM, "cannot read \"%s\" as a MaxMind file: %s",
		    ESC(str_of(path)),
		    status == MMDB_FILE_OPEN_ERROR ? strerror(errno) : MMDB_strerror(status));
	arena_cleanup(arena, close_file, file);
	*out = file;
	return true;
}

static bool
configure(void *object, struct arena *arena, struct err *e)
{
	struct geo_conf *conf = object;

	return open_file(conf->country_file, arena, &conf->country, e) &&
	    open_file(conf->network_file, arena, &conf->network, e);
}

/* What stands at the path in the client's entry; false: nothing does. */
static bool
look_up(const struct ip *ip, const MMDB_s *file, const char *const *path, MMDB_entry_data_s *out)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
	MMDB_lookup_result_s result;
	int error = MMDB_SUCCESS;

	if (!file || ip->version == 0)
		return false;
	if (ip->version == 4) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, ip->b, 4);
	} else {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, ip->b, 16);
	}
	result = MMDB_lookup_sockaddr(file, (struct sockaddr *)&address, &error);
	return error == MMDB_SUCCESS && result.found_entry &&
	    MMDB_aget_value(&result.entry, out, path) == MMDB_SUCCESS && out->has_data;
}

static void
text_of(struct ask *ask, const MMDB_entry_data_s *data, struct value *out)
{
	struct str s = { data->utf8_string, data->data_size };

	if (data->type == MMDB_DATA_TYPE_UTF8_STRING)
		*out = value_text(arena_dup(ask->arena, str_sub(s, 0, OWNER_MAX)));
}

static enum progress
compute_country(struct ask *ask, const struct fact_call *call, struct value *out)
{
	static const char *const where[] = { "country", "iso_code", NULL };
	static const char *const owner[] = { "registered_country", "iso_code", NULL };
	const struct geo_conf *conf = ask->conf;
	const struct ip *ip = &ask->session->client_ip;
	MMDB_entry_data_s data;

	*out = (struct value){ .type = VALUE_NONE };
	if (look_up(ip, conf->country, where, &data) || look_up(ip, conf->country, owner, &data))
		text_of(ask, &data, out);
	return DONE;
}

static enum progress
compute_asn(struct ask *ask, const struct fact_call *call, struct value *out)
{
	static const char *const path[] = { "autonomous_system_number", NULL };
	const struct geo_conf *conf = ask->conf;
	MMDB_entry_data_s data;

	*out = (struct value){ .type = VALUE_NONE };
	if (look_up(&ask->session->client_ip, conf->network, path, &data) &&
	    data.type == MMDB_DATA_TYPE_UINT32)
		*out = value_text(arena_printf(ask->arena, "AS%" PRIu32, data.uint32));
	return DONE;
}

static enum progress
compute_owner(struct ask *ask, const struct fact_call *call, struct value *out)
{
	static const char *const path[] = { "autonomous_system_organization", NULL };
	const struct geo_conf *conf = ask->conf;
	MMDB_entry_data_s data;

	*out = (struct value){ .type = VALUE_NONE };
	if (look_up(&ask->session->client_ip, conf->network, path, &data))
		text_of(ask, &data, out);
	return DONE;
}

/* A rule that could never be true is a mistake in the file. */
static bool
check_country(const struct fact_call *call, struct err *e)
{
	const struct geo_conf *conf = call->entry->conf;

	return conf->country_file[0] != '\0' ||
	    err_set(e, ERR_SYNTAX,
		"`%s` needs a file: geo { country \"/var/lib/GeoIP/GeoLite2-Country.mmdb\" }",
		call->entry->def->name);
}

static bool
check_network(const struct fact_call *call, struct err *e)
{
	const struct geo_conf *conf = call->entry->conf;

	return conf->network_file[0] != '\0' ||
	    err_set(e, ERR_SYNTAX,
		"`%s` needs a file: geo { network \"/var/lib/GeoIP/GeoLite2-ASN.mmdb\" }",
		call->entry->def->name);
}

#define GEO_FACT(fact, kind, function, when_loaded, words) \
	{ \
		.name = (fact), .type = (kind), .from = STEP_CONNECT, .to = STEP_MESSAGE, \
		.life = LIFE_SESSION, .cost = COST_FREE, .compute = (function), \
		.check = (when_loaded), .help = (words), \
	}

static const struct fact_def facts[] = {
	GEO_FACT("client.asn", VALUE_TEXT, compute_asn, check_network,
	    "The autonomous system that the client's address belongs to (AS64500), from the file of "
	    "`geo`; unknown when it has none."),
	GEO_FACT("client.asn.name", VALUE_TEXT, compute_owner, check_network,
	    "The name of the organisation behind that autonomous system; unknown when it has none."),
	GEO_FACT("client.country", VALUE_TEXT, compute_country, check_country,
	    "The country of the client's address by ISO 3166 (DE, US), from the file of `geo`; "
	    "unknown when the file does not know."),
};

static const struct setting settings[] = {
	{ .name = "country",
	    .type = SETTING_FILE,
	    .offset = offsetof(struct geo_conf, country_file),
	    .fallback = "",
	    .help = "A file of countries in MaxMind's format, such as GeoLite2-Country.mmdb; read "
		    "again by a reload." },
	{ .name = "network",
	    .type = SETTING_FILE,
	    .offset = offsetof(struct geo_conf, network_file),
	    .fallback = "",
	    .help = "A file of autonomous systems in that format, such as GeoLite2-ASN.mmdb." },
};

extern const struct stage geo_stage;
const struct stage geo_stage = {
	.abi = STAGE_ABI,
	.name = "geo",
	.help = "Says to which country and network the client's address belongs.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct geo_conf),
	.configure = configure,
};
