// What the files of the dialog share.
#pragma once

#include "dialog.h"

// Replace all strings at once. Returns 0 or -ENOMEM.
int dialog_strings_set(struct dialog *dialog, const struct slice strings[DIALOG_N_STRINGS]);
