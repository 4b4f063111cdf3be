// The opening handshake of WebSocket: what is refused or taken as a whole is so however it comes in
// pieces, unless a piece is refused before; and each status has an answer that fits.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int status_of(const uint8_t *data, size_t size, const struct upgrade_rules *rules)
{
	char *copy = malloc(size ? size : 1), out[UPGRADE_ANSWER_MAX];
	struct upgrade upgrade;

	memcpy(copy, data, size);
	upgrade = upgrade_read((struct slice){copy, size}, rules);
	if (upgrade.status && !upgrade_answer(&upgrade, out).n)
		abort();
	if (upgrade.status == 101 && strlen(upgrade.accept) != UPGRADE_ACCEPT_SIZE - 1)
		abort();
	if ((upgrade.status >= 400) != (upgrade.reason != NULL))
		abort();
	free(copy);
	return upgrade.status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const origins[] = {"https://phone.example.com"};
	const struct upgrade_rules anybody = {0}, listed = {origins, 1};
	unsigned int whole = status_of(data, size, &anybody);
	unsigned int strict = status_of(data, size, &listed), cut = 0;

	if (strict != whole && !(whole == 101 && strict == 403) && !(whole == 400 && strict == 403))
		abort();
	for (size_t n = 0; n < size && !cut; n += 1 + size / 64)
		cut = status_of(data, n, &anybody);
	if (whole == 101 && cut)
		abort();
	upgrade_origin_valid((struct slice){(const char *)data, size});
	return 0;
}
