/*
 * redis_lua: the scripts of db/redis/ as texts; the C file is made from them when the program is built. What each takes
 * and gives stands in it; db/redis_script.c is their only caller.
 */
#ifndef POSTERN_DB_REDIS_LUA_H
#define POSTERN_DB_REDIS_LUA_H

extern const char lua_seen[];
extern const char lua_count[];
extern const char lua_distinct[];
extern const char lua_delivered[];
extern const char lua_exceptions[];
extern const char lua_swap[];

#endif
