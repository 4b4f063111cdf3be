// Telephone numbers as a trunk writes them, to and from one way to write them all: E.164 with a
// plus (RFC 3966), and what is known of a ported one (RFC 4694).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

enum { NUMBER_SIZE = 128, NUMBER_PORTED_SIZE = 64, NUMBER_CARRIER_SIZE = 24 };

struct number {
	char digits[NUMBER_SIZE];	   // or a name: what stands before parameters
	char ported[NUMBER_PORTED_SIZE];   // rn: where the network has moved it to; "": nowhere
	char carrier[NUMBER_CARRIER_SIZE]; // cic: by whom the call is to go; "": anybody
	bool dipped;			   // npdi: the database of ported numbers has been asked
};

// How global numbers, those with a plus, are written.
enum number_format {
	NUMBER_AS_IS,
	NUMBER_PLUS,	      // +4930123456
	NUMBER_BARE,	      // 4930123456
	NUMBER_INTERNATIONAL, // 004930123456
	NUMBER_NATIONAL,      // 030123456; abroad as international
};

struct number_rule {
	const char *prefix;  // of the numbers it is for
	unsigned int strip;  // characters off the front, before
	const char *prepend; // this is put there
};

struct number_rules {
	const struct number_rule *list; // the first that fits is followed
	size_t n;
};

// Of one trunk. Texts are "" where there is none.
struct number_plan {
	const char *country, *area;		// "49", "30"
	const char *national, *international;	// dialled before others: "0", "00"
	bool normalises;			// what comes
	enum number_format format;		// of what goes
	struct number_rules in, out;		// before normalising; after formatting
	bool keeps_ported_in, keeps_ported_out; // rn, npdi and cic
	bool phone_user;			// user=phone in URIs that go
	bool tel;				// tel URIs for who is called
};

// The user part of a SIP URI, or all of a tel URI behind its scheme, as the trunk sends it. Returns
// 0 or -ENAMETOOLONG.
int number_read(const struct number_plan *plan, struct slice text, struct number *out);

// The digits as the trunk wants them. Returns 0 or -ENAMETOOLONG.
int number_write(const struct number_plan *plan, const char *digits, char *out, size_t size);

// ";npdi;rn=...;cic=..." as far as the trunk wants that and there is anything. Returns `out`.
const char *number_params(
	const struct number_plan *plan, const struct number *number, char *out, size_t size);

// Digits, perhaps with a plus, and nothing else.
bool number_is_telephone(const char *digits);
