/*
 * sip: SipHash-2-4 (Aumasson and Bernstein) of whole words: a hash of which nobody who lacks the key can
 * tell anything, and whose collisions nobody can look for. Not for files or messages: those have
 * OpenSSL. Pure.
 */
#ifndef POSTERN_BASE_SIP_H
#define POSTERN_BASE_SIP_H

#include <stddef.h>
#include <stdint.h>

uint64_t sip_hash(const uint64_t key[2], const uint64_t *word, size_t n);

#endif
