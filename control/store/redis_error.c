// The first word of an error reply, and what follows from it.
#include <string.h>

#include "redis_link.h"

enum store_ill redis_error_ill(const char *text)
{
	static const struct {
		const char *word;
		enum store_ill ill;
	} words[] = {
		{"OOM", STORE_ILL_MEMORY},
		{"READONLY", STORE_ILL_READONLY},
		{"LOADING", STORE_ILL_LOADING},
		{"MISCONF", STORE_ILL_DISK},
		{"WRONGPASS", STORE_ILL_PASSWORD},
		{"NOAUTH", STORE_ILL_PASSWORD},
		{"ERR AUTH", STORE_ILL_PASSWORD}, // a password where none is set
		{"NOPERM", STORE_ILL_PERMISSION},
		{"ERR The user executing the script", STORE_ILL_PERMISSION}, // Redis 7.0
		{"ERR ACL failure in script:", STORE_ILL_PERMISSION},	     // 7.2
		{"NOREPLICAS", STORE_ILL_REPLICAS},
		{"MASTERDOWN", STORE_ILL_REPLICAS},
		{"CLUSTERDOWN", STORE_ILL_REPLICAS},
		{"TRYAGAIN", STORE_ILL_MOVED},
		{"MOVED", STORE_ILL_MOVED},
		{"ASK", STORE_ILL_MOVED},
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = strlen(words[i].word);

		if (!strncmp(text, words[i].word, length) &&
			(text[length] == ' ' || text[length] == '\0'))
			return words[i].ill;
	}
	return STORE_ILL_ERROR;
}

// Another attempt on this connection would meet the same.
bool redis_error_ends_link(enum store_ill ill)
{
	return ill == STORE_ILL_READONLY || ill == STORE_ILL_LOADING || ill == STORE_ILL_PASSWORD;
}
