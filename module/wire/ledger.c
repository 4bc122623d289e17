/* ledger.c - see ledger.h */
#include "ledger.h"
#include "shared.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct page {
	_Atomic uint64_t magic;
	_Atomic uint64_t count; /* the last one written down is at count - 1 */
	struct {
		_Atomic uint64_t peer, id;
	} begun[LEDGER_CALLS];
};

struct ledger {
	struct page *page; /* a reader's is not to be written */
	int fd;            /* -1: a reader's */
};

static const uint64_t magic = 0x31746972666521EF; /* of this layout */

static struct ledger *make(const void *page, int fd)
{
	struct ledger *l = page ? malloc(sizeof *l) : NULL;
	if (l)
		*l = (struct ledger){(struct page *)page, fd};
	return l;
}

struct ledger *ledger_create(void)
{
	int fd;
	struct page *page = shared_make(sizeof *page, &fd);
	struct ledger *l = make(page, fd);
	if (l)
		atomic_store(&page->magic, magic);
	if (!l && page) {
		shared_unmap(page, sizeof *page);
		close(fd);
	}
	return l;
}

struct ledger *ledger_open(int fd)
{
	const struct page *page = shared_map(fd, sizeof *page);
	struct ledger *l = page && atomic_load(&page->magic) == magic ? make(page, -1) : NULL;
	if (!l)
		shared_unmap(page, sizeof *page);
	return l;
}

void ledger_destroy(struct ledger *l)
{
	if (!l)
		return;
	shared_unmap(l->page, sizeof *l->page);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

int ledger_descriptor(const struct ledger *l)
{
	return l->fd;
}

void ledger_begin(struct ledger *l, uint64_t peer, uint64_t id)
{
	uint64_t count = atomic_load_explicit(&l->page->count, memory_order_relaxed);
	uint64_t at = count % LEDGER_CALLS;
	atomic_store_explicit(&l->page->begun[at].peer, peer, memory_order_release);
	atomic_store_explicit(&l->page->begun[at].id, id, memory_order_release);
	atomic_store_explicit(&l->page->count, count + 1, memory_order_release);
}

uint64_t ledger_count(const struct ledger *l)
{
	return atomic_load_explicit(&l->page->count, memory_order_acquire);
}

bool ledger_lacks(const struct ledger *l, uint64_t since, uint64_t peer, uint64_t id)
{
	uint64_t count = ledger_count(l);
	if (count - since >= LEDGER_CALLS)
		return false;
	for (uint64_t i = since; i != count; i++) {
		uint64_t at = i % LEDGER_CALLS;
		if (atomic_load_explicit(&l->page->begun[at].id, memory_order_acquire) == id
		    && atomic_load_explicit(&l->page->begun[at].peer, memory_order_acquire) == peer)
			return false;
	}
	return ledger_count(l) - since < LEDGER_CALLS; /* Emacs may live on, and write over what we read */
}
