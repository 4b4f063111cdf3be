// Loading plug-ins: the file is checked before any of its code runs, the struct before any of its
// functions is called.
#include "codec_plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What runs in the dataplane must not be for others to write.
static bool check_file(const char *path, char *error, size_t error_size)
{
	struct stat file;

	if (stat(path, &file)) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(file.st_mode) || (file.st_uid != 0 && file.st_uid != geteuid()) ||
		file.st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(error, error_size,
			"%s: expected a file of root's or the dataplane's user that nobody else "
			"may write",
			path);
		return false;
	}
	return true;
}

static bool check_plugin(
	const char *path, const struct codec_plugin *plugin, char *error, size_t error_size)
{
	if (!plugin) {
		snprintf(error, error_size, "%s: is no codec plug-in (it has no %s)", path,
			CODEC_PLUGIN_SYMBOL);
		return false;
	}
	if (plugin->abi != CODEC_PLUGIN_ABI || plugin->codec_bytes != sizeof(struct codec)) {
		snprintf(error, error_size,
			"%s: was built for another version (plug-in interface %u with %u bytes, "
			"expected %u with %zu)",
			path, plugin->abi, plugin->codec_bytes, CODEC_PLUGIN_ABI,
			sizeof(struct codec));
		return false;
	}
	for (const struct codec *const *c = plugin->codecs; *c; c++) {
		if (!codec_find((*c)->name, (*c)->clock_hz, (*c)->channels))
			continue;
		snprintf(error, error_size, "%s: there is a codec %s already", path, (*c)->name);
		return false;
	}
	return true;
}

static bool add_codecs(
	const char *path, const struct codec_plugin *plugin, char *error, size_t error_size)
{
	unsigned int n = 0, n_added = 0;

	while (codecs[n])
		n++;
	for (const struct codec *const *c = plugin->codecs; *c; c++)
		n_added++;
	if (n + n_added > CODECS_MAX) {
		snprintf(error, error_size, "%s: more than %d codecs", path, CODECS_MAX);
		return false;
	}
	for (const struct codec *const *c = plugin->codecs; *c; c++)
		codecs_add(*c);
	return true;
}

const struct codec_plugin *codec_plugin_load(const char *path, char *error, size_t error_size)
{
	const struct codec_plugin *plugin;
	void *object;

	if (!check_file(path, error, error_size))
		return NULL;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		snprintf(error, error_size, "%s", dlerror());
		return NULL;
	}
	plugin = dlsym(object, CODEC_PLUGIN_SYMBOL);
	if (check_plugin(path, plugin, error, error_size) &&
		add_codecs(path, plugin, error, error_size))
		return plugin;
	dlclose(object);
	return NULL;
}
