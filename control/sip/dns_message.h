// Answers of DNS servers (RFC 1035, 2308, 2782, 3403) as far as SIP asks: A, AAAA, SRV and NAPTR.
// What is read here may be anything.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dns_type { DNS_A = 1, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33, DNS_NAPTR = 35 };

enum {
	DNS_NAME_SIZE = 256,  // as text, with its NUL
	DNS_RECORDS_MAX = 32, // more in one answer are left out
	DNS_TTL_MAX_S = 86400,
	DNS_NEGATIVE_MAX_S = 900,
	DNS_NEGATIVE_S = 30, // where the answer does not say
};

struct dns_record {
	uint16_t priority, weight, port; // SRV; NAPTR: order and preference in the first two
	char name[DNS_NAME_SIZE];	 // SRV: target, NAPTR: replacement; "" is the root
	char flags[4], service[32];	 // NAPTR
	struct in_addr v4;		 // A
	struct in6_addr v6;		 // AAAA
};

struct dns_answer {
	uint32_t ttl_s; // at least 1
	size_t n;	// 0: there is nothing of that name and type
	struct dns_record records[DNS_RECORDS_MAX];
};

// Records of that type in a whole answer, of whatever owner: the server has followed aliases.
// Returns 0; -EBADMSG; -EAGAIN where the server could not say (SERVFAIL and the like).
int dns_answer_parse(
	const uint8_t *data, size_t size, enum dns_type type, struct dns_answer *answer);
