#include "mail/alabel.h"

#include "mail/utf8.h"

/* The parameters of RFC 3492 5. */
enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_N = 128 };

/* Octets are added while there is room for a NUL behind them. */
struct ascii {
	char *p;
	size_t n, size;
	bool over;
};

static void
add(struct ascii *out, char c)
{
	if (out->n + 1 < out->size)
		out->p[out->n++] = c;
	else
		out->over = true;
}

/* The code points of a label; 0: it is no UTF-8, or too long. */
static size_t
decode(struct str label, uint32_t out[ALABEL_LABEL_MAX])
{
	size_t count = 0, n;

	for (size_t i = 0; i < label.n; i += n) {
		const unsigned char *p = (const unsigned char *)label.p + i;

		n = p[0] < 0x80 ? 1 : utf8_length(str_sub(label, i, label.n));
		if (n == 0 || count == ALABEL_LABEL_MAX)
			return 0;
		out[count] = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
		for (size_t k = 1; k < n; k++)
			out[count] = out[count] << 6 | (p[k] & 0x3f);
		count++;
	}
	return count;
}

static char
digit(uint32_t d)
{
	return (char)(d < 26 ? 'a' + d : '0' + (d - 26));
}

static uint32_t
threshold(uint32_t k, uint32_t bias)
{
	return k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
}

static void
add_number(struct ascii *out, uint32_t q, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = threshold(k, bias);

		if (q < t)
			break;
		add(out, digit(t + (q - t) % (BASE - t)));
		q = (q - t) / (BASE - t);
	}
	add(out, digit(q));
}

static uint32_t
adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > ((BASE - TMIN) * TMAX) / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static uint32_t
smallest_from(const uint32_t *point, size_t n, uint32_t least)
{
	uint32_t m = UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		if (point[i] >= least && point[i] < m)
			m = point[i];
	return m;
}

/* RFC 3492 6.3. Nothing overflows: 63 code points below 2^21, each step at most 64 times that. */
static void
punycode(struct ascii *out, const uint32_t *point, size_t n)
{
	uint32_t least = INITIAL_N, delta = 0, bias = INITIAL_BIAS;
	uint32_t basic = 0, done;

	for (size_t i = 0; i < n; i++)
		if (point[i] < INITIAL_N) {
			add(out, ascii_lower((char)point[i]));
			basic++;
		}
	if (basic > 0)
		add(out, '-');
	for (done = basic; done < n; delta++, least++) {
		uint32_t m = smallest_from(point, n, least);

		delta += (m - least) * (done + 1);
		least = m;
		for (size_t i = 0; i < n; i++) {
			if (point[i] < least)
				delta++;
			if (point[i] != least)
				continue;
			add_number(out, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
}

static bool
add_label(struct ascii *out, struct str label)
{
	uint32_t point[ALABEL_LABEL_MAX];
	size_t n, began = out->n;

	if (!utf8_beyond_ascii(label)) {
		for (size_t i = 0; i < label.n; i++)
			add(out, ascii_lower(label.p[i]));
		return true;
	}
	n = decode(label, point);
	if (n == 0)
		return false;
	add(out, 'x');
	add(out, 'n');
	add(out, '-');
	add(out, '-');
	punycode(out, point, n);
	return out->n - began <= ALABEL_LABEL_MAX;
}

bool
alabel_domain(struct str domain, char out[ALABEL_DOMAIN_MAX])
{
	struct ascii ascii = { .p = out, .size = ALABEL_DOMAIN_MAX };
	struct str label;
	bool first = true;

	out[0] = '\0';
	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	while (str_pop(&domain, '.', &label)) {
		if (!first)
			add(&ascii, '.');
		first = false;
		if (!add_label(&ascii, label) || ascii.over) {
			out[0] = '\0';
			return false;
		}
	}
	out[ascii.n] = '\0';
	return true;
}
