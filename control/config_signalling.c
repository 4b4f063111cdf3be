// What a trunk's SIP may do: the keys of dialogs.
#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

static const struct config_words rel100_words = {{[TRUNK_100REL_NEVER] = "never",
							 [TRUNK_100REL_SUPPORTED] = "supported",
							 [TRUNK_100REL_REQUIRED] = "required"},
	"never, supported or required"};
static const struct config_words early_media_words = {
	{[TRUNK_EARLY_MEDIA_ALWAYS] = "always",
		[TRUNK_EARLY_MEDIA_AUTHORIZED] = "authorized",
		[TRUNK_EARLY_MEDIA_NEVER] = "never"},
	"always, authorized or never"};

int config_read_trunk_signalling(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk_signalling *signalling)
{
	char where[CHECK_WHERE_SIZE];
	int rc = config_read_choice(check, check_where(where, "trunks[%u].100rel", number),
		from->rel100, &rel100_words, &signalling->rel100);

	if (!rc)
		rc = config_read_choice(check, check_where(where, "trunks[%u].early_media", number),
			from->early_media, &early_media_words, &signalling->early_media);
	return rc;
}
