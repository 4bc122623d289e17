/* finder.c - see finder.h */
#include "back/finder.h"
#include "back/emacs.h"
#include "log.h"
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct finder {
	struct ev_loop *loop;         /* borrowed */
	const struct config *config;  /* borrowed */
	struct service *service;      /* borrowed */
	int count;
	char folders[RUNTIME_FOLDERS][RUNTIME_PATH_MAX];
	char trouble[RUNTIME_FOLDERS][RUNTIME_ERROR]; /* why a folder is not trusted */
	struct os_watch *watches[RUNTIME_FOLDERS];    /* owned */
	char left_out[RUNTIME_ERROR];                 /* a folder that cannot be looked in at all */
	bool full; /* said already */
	ev_timer again;               /* nothing could be read for want of descriptors */
};

struct sighting {
	char name[RUNTIME_NAME_MAX + 1];
	unsigned folders;
};

struct sightings {
	struct sighting *list; /* owned */
	size_t count, room;
};

static const double look_again = 0.25; /* seconds */

static void note(struct sightings *all, const char *name, int folder)
{
	size_t i = 0;
	while (i < all->count && strcmp(all->list[i].name, name) != 0)
		i++;
	if (i == all->room) {
		all->room = all->room ? all->room * 2 : 8;
		all->list = realloc(all->list, all->room * sizeof *all->list);
		if (!all->list)
			log_no_memory();
	}
	if (i == all->count) {
		all->list[all->count].folders = 0;
		snprintf(all->list[all->count++].name, sizeof all->list[i].name, "%s", name);
	}
	all->list[i].folders |= 1u << folder;
}

/* A folder that others can write to may hold anything: it is not even read. */
static bool trusted(struct finder *f, int i)
{
	char error[RUNTIME_ERROR];
	bool good = runtime_verify_folder(f->folders[i], error);
	if (*error && strcmp(error, f->trouble[i]) != 0)
		log_warning("%s", error);
	memcpy(f->trouble[i], error, sizeof error);
	return good;
}

/* False: nothing is known of it now. */
static bool look_in(struct finder *f, int i, struct sightings *all)
{
	DIR *folder = trusted(f, i) ? opendir(f->folders[i]) : NULL;
	struct dirent *entry;
	char name[RUNTIME_NAME_MAX + 1];
	if (!folder && !f->trouble[i][0] && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return false;
	while (folder && (entry = readdir(folder)))
		if (runtime_name_of(entry->d_name, name))
			note(all, name, i);
	if (folder)
		closedir(folder);
	return true;
}

/* Room for one more: somebody who is gone for good makes it. */
static bool make_room(struct finder *f)
{
	long count = 0;
	struct worker *w, *gone = NULL;
	for (w = service_first(f->service); w; w = service_next(w)) {
		count++;
		if (emacs_evictable(w))
			gone = w;
	}
	if (count < f->config->instances_max)
		return true;
	if (gone)
		service_remove(gone);
	else if (!f->full)
		log_warning("more than %ld Emacs instances: the others are not looked at", f->config->instances_max);
	f->full = !gone;
	return gone != NULL;
}

static void tell_places(struct finder *f)
{
	char places[RUNTIME_FOLDERS * (RUNTIME_PATH_MAX + 2)] = "", trouble[(RUNTIME_FOLDERS + 1) * (RUNTIME_ERROR + 2)] = "";
	snprintf(trouble, sizeof trouble, "%s", f->left_out);
	for (int i = 0; i < f->count; i++) {
		size_t p = strlen(places), t = strlen(trouble);
		snprintf(places + p, sizeof places - p, "%s%s", p ? ", " : "", f->folders[i]);
		if (f->trouble[i][0])
			snprintf(trouble + t, sizeof trouble - t, "%s%s", t ? "; " : "", f->trouble[i]);
	}
	service_set_places(f->service, places, trouble);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sighting *)a)->name, ((const struct sighting *)b)->name);
}

static void look(void *data)
{
	struct finder *f = data;
	struct sightings all = {0};
	bool whole = true;
	ev_timer_stop(f->loop, &f->again);
	errno = 0;
	for (int i = 0; i < f->count && whole; i++)
		whole = look_in(f, i, &all);
	if (!whole) { /* nobody is gone because we cannot look */
		ev_timer_set(&f->again, look_again, 0.);
		ev_timer_start(f->loop, &f->again);
		free(all.list);
		return;
	}
	tell_places(f);
	for (struct worker *w = service_first(f->service); w; w = service_next(w)) {
		size_t i = 0;
		while (i < all.count && strcmp(all.list[i].name, w->name) != 0)
			i++;
		emacs_seen(w, i < all.count ? all.list[i].folders : 0);
	}
	if (all.count)
		qsort(all.list, all.count, sizeof *all.list, by_name);
	for (size_t i = 0; i < all.count; i++)
		if (!service_find(f->service, all.list[i].name) && make_room(f))
			emacs_seen(emacs_create(f->loop, f->config, f->service, all.list[i].name, f->folders), all.list[i].folders);
	free(all.list);
}

static void on_again(EV_P_ ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	look(timer->data);
}

struct finder *finder_create(struct ev_loop *loop, const struct config *config, struct service *service)
{
	struct finder *f = calloc(1, sizeof *f);
	if (!f)
		log_no_memory();
	f->loop = loop;
	f->config = config;
	f->service = service;
	ev_timer_init(&f->again, on_again, 0., 0.);
	f->again.data = f;
	f->count = runtime_folders(config->folders, f->folders, f->left_out);
	if (f->left_out[0])
		log_warning("%s", f->left_out);
	for (int i = 0; i < f->count; i++) /* watched before the first look: nothing falls between */
		f->watches[i] = os_watch_create(loop, f->folders[i], look, f);
	look(f);
	return f;
}

void finder_look_in(struct finder *f, const char *folder)
{
	for (int i = 0; i < f->count; i++)
		if (strcmp(f->folders[i], folder) == 0)
			return;
	if (f->count == RUNTIME_FOLDERS || strlen(folder) >= RUNTIME_PATH_MAX) {
		log_warning("%s is not looked in for Emacs instances: %s", folder, f->count == RUNTIME_FOLDERS ? "too many folders" : "its name is too long");
		return;
	}
	snprintf(f->folders[f->count], RUNTIME_PATH_MAX, "%s", folder);
	f->watches[f->count] = os_watch_create(f->loop, f->folders[f->count], look, f);
	f->count++;
	look(f);
}

void finder_destroy(struct finder *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->count; i++)
		os_watch_destroy(f->watches[i]);
	ev_timer_stop(f->loop, &f->again);
	free(f);
}
