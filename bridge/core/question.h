/* question.h - one request that asks one worker, or all, about themselves, and the gateway
 * beside them: what they said, or what is known of those that say nothing.  core alone
 * calls; bridge loop only. */
#ifndef QUESTION_H
#define QUESTION_H

#include "back/worker.h"
#include "core/self.h"

/* The task of its request, which owns it. */
struct questions {
	struct task task;
	struct request *request; /* borrowed */
	void (*finish)(struct questions *);
	size_t count, pending;
	struct item {
		struct ask ask;
		struct questions *task;     /* borrowed */
		struct worker *worker; /* borrowed; it may leave the service once it was answered */
		char name[WORKER_NAME_MAX + 1];
		struct buf answer;
		bool told;             /* the worker said it; else it is what we know */
	} *gateway;                    /* the last item, if that was asked too; NULL */
	struct item items[];
};

/* FINISH writes the reply when all have answered. */
struct questions *questions_create(struct request *, size_t count, void (*finish)(struct questions *));

/* Item I.  A worker that cannot answer now is not asked: what is known of it stands. */
void questions_ask(struct questions *, size_t i, struct worker *, enum ask_kind, const char *question, double timeout);

/* The same at the same time, where a bridge has found one: it keeps instances, and knows more
 * of those.  It does not hold the answer up for long. */
void questions_ask_gateway(struct questions *, const char *tool, const char *instance);
json_t *questions_gateway_said(const struct questions *); /* an object; NULL: nothing */

void questions_describe(const struct worker *, struct buf *out); /* what is known of one that did not say it itself */
enum verdict questions_begin(struct questions *); /* all are asked */

#endif
