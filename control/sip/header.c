// Header names as numbers. The look-up tables are filled on first use from HEADER_LIST, which stays
// the only list of names.
#include "header.h"

static const struct slice names[HEADER_N] = {[HEADER_OTHER] = SLICE(""),
#define HEADER_TEXT(id, name, compact) [HEADER_##id] = SLICE(name),
	HEADER_LIST(HEADER_TEXT)
#undef HEADER_TEXT
};

static const char compact_letters[HEADER_N] = {
#define HEADER_COMPACT(id, name, compact) [HEADER_##id] = compact,
	HEADER_LIST(HEADER_COMPACT)
#undef HEADER_COMPACT
};

enum { N_SLOTS = 512 }; // a power of two, sparse: most names are found at the first look

static uint8_t slots[N_SLOTS];
static uint8_t compact_ids[128]; // by small letter

static unsigned int slot_of(struct slice name)
{
	unsigned int first = (unsigned char)name.p[0] | 0x20u;
	unsigned int last = (unsigned char)name.p[name.n - 1] | 0x20u;
	unsigned int middle = (unsigned char)name.p[name.n / 2] | 0x20u;

	return (unsigned int)(name.n * 37 + first * 5 + middle * 17 + last * 101) % N_SLOTS;
}

static void fill_tables(void)
{
	for (unsigned int id = 1; id < HEADER_N; id++) {
		unsigned int slot = slot_of(names[id]);

		while (slots[slot])
			slot = (slot + 1) % N_SLOTS;
		slots[slot] = (uint8_t)id;
		if (compact_letters[id])
			compact_ids[(unsigned char)compact_letters[id]] = (uint8_t)id;
	}
}

enum header_id header_from(struct slice name)
{
	static bool filled;

	if (!filled) {
		fill_tables();
		filled = true;
	}
	if (name.n == 0)
		return HEADER_OTHER;
	if (name.n == 1)
		return compact_ids[((unsigned char)name.p[0] | 0x20) & 0x7f];
	for (unsigned int slot = slot_of(name); slots[slot]; slot = (slot + 1) % N_SLOTS)
		if (slice_equal_nocase(names[slots[slot]], name))
			return slots[slot];
	return HEADER_OTHER;
}

struct slice header_name(enum header_id id)
{
	return names[id < HEADER_N ? id : HEADER_OTHER];
}
