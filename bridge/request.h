/* request.h - the one traveller: a message of a client from the moment it is read
 * until its answer is on its way.  Bridge loop only.  It is owned by the pipeline,
 * which frees it when the front has settled it and no worker holds it any more;
 * everybody else borrows.  Calls outward go through resume, deliver and more, calls
 * inward through drained and the worker. */
#ifndef REQUEST_H
#define REQUEST_H

#include "wire/buf.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
	REQUEST_TOOL_MAX = 128,   /* bytes of a tool's name */
	REQUEST_CLIENT_MAX = 128, /* bytes of a client's name */
	REQUEST_LISTS = 4,        /* kinds of lists that can change */
	REQUEST_INSTANCE_MAX = 48, /* bytes of an instance's name */
	REQUEST_PRINCIPAL_MAX = 32,
	REQUEST_TIMEOUT = 30 * 1000, /* ms of a call that brings no time-out */
};

enum era { ERA_LEGACY, ERA_MODERN };
enum version { VERSION_2024_11_05, VERSION_2025_03_26, VERSION_2025_06_18, VERSION_2025_11_25, VERSION_2026_07_28 };

enum fault {
	FAULT_NONE,
	FAULT_PARSE,    /* no JSON */
	FAULT_INVALID,  /* no JSON-RPC request */
	FAULT_METHOD,   /* a method that does not exist in this era */
	FAULT_PARAMS,   /* a method's params */
	FAULT_INTERNAL, /* a limit */
	FAULT_VERSION,  /* a protocol version that is not spoken */
	FAULT_CAPABILITY, /* the client cannot do what this needs */
	FAULT_OWN,      /* a number that the tool chose: request::own_fault */
	FAULT_ENVELOPE, /* a request that lacks what every request must bring along */
	FAULT_HEADER,   /* HTTP headers that are missing or say something else than the body */
	FAULT_DENIED,   /* the caller may not, or not now */
};

enum loudness { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_CRITICAL,
		LOG_LEVEL_ALERT, LOG_LEVEL_EMERGENCY, LOG_NOTHING };

enum priority { PRIORITY_INTERACTIVE, PRIORITY_NORMAL, PRIORITY_BATCH, PRIORITIES };

struct asking;
/* What HTTP said besides the message; values are strings of the front's, which live until
 * the request waits or is answered.  NULL: that header was not there. */
struct http_said {
	const char *version, *method, *name; /* MCP-Protocol-Version, Mcp-Method, Mcp-Name */
	const struct http_param {
		const char *name, *value; /* Mcp-Param-<name> */
	} *params;
	size_t params_count;
	const char *principal; /* who core/guard.c says it is */
};

struct closer;
struct lane;
struct method;
struct outlet;
struct pipeline;
struct pool;
struct session;
struct task;
struct worker;

struct request {
	TAILQ_ENTRY(request) of_session; /* session::unanswered, then pipeline::dead */
	TAILQ_ENTRY(request) of_worker;  /* of its client in a line, or worker::flying */
	TAILQ_ENTRY(request) of_line;    /* all of its priority in that line */
	TAILQ_ENTRY(request) of_front;   /* the front's list of results that come in pieces */
	uint64_t number;                 /* ours; nothing is ever found by the client's id alone */
	struct pipeline *pipeline;       /* borrowed */
	struct session *session;         /* borrowed */
	struct outlet *outlet;           /* borrowed; where the answer goes */
	struct request *parent;          /* borrowed; the batch it belongs to, or NULL */
	unsigned children;               /* of a batch: elements without answer */
	unsigned stage;                  /* of the road that it has entered */

	/* what was said */
	const char *text;   /* borrowed, during the parse stage only */
	size_t text_len;
	json_t *message;    /* owned, until the route is chosen */
	char *id;           /* owned; the JSON text; NULL for a notification and where it is unknown */
	const char *name;   /* borrowed from message: the method */
	json_t *params;     /* borrowed from message, or NULL */
	bool null_id;       /* an error without id says "id":null */
	const struct http_said *http; /* borrowed, until it waits; NULL: it did not come over HTTP */

	/* in which language */
	const struct method *method; /* static */
	enum era era;
	enum version version;
	char client[REQUEST_CLIENT_MAX + 1];
	char *token;        /* owned; JSON text of the progress token, or NULL */
	bool listens;       /* an open subscription: its answer is its end */
	unsigned listens_to; /* bits: changes of these lists */
	uint64_t knows[REQUEST_LISTS]; /* hashes of the lists when it was told last, by enum offer */
	json_t *listens_uris, *listens_tasks; /* owned; arrays of what else it asked to hear of, or NULL */
	int log_level;      /* of enum loudness; what is below it is not told; LOG_NOTHING */
	char principal[REQUEST_PRINCIPAL_MAX]; /* who core/guard.c says it is; over HTTP */
	bool admitted;      /* counted by core/guard.c */

	/* the call of a tool, or of a method that Emacs answers */
	bool exact;              /* such a method: its failure is an error of the protocol */
	bool again;              /* it may be called again, so its arguments are kept */
	bool whole;              /* its result is wanted in one piece */
	bool may_become_task;    /* the tool says itself when it is one */
	void *owner;             /* of a request that no client sent: core/tasks.c */
	char instance[REQUEST_INSTANCE_MAX + 1]; /* which Emacs it was given to */
	bool relayed;            /* it was given to the gateway instead */
	json_t *capabilities;    /* owned; of the client, where the request itself brought them; or NULL */
	struct buf about;        /* what a requestState of it is bound to */
	void (*asker)(struct request *, json_t *questions, json_t *state); /* who asks the client for it; NULL: as its era does; all borrowed */
	struct buf context;      /* JSON text of an object; empty: nothing to say */
	char *folder;            /* owned; members of it: where the client works; NULL: what its session says */
	struct asking *asking;   /* owned; what the client was asked for it, or NULL */
	char tool[REQUEST_TOOL_MAX + 1];
	bool looks;              /* its client has the tools alone that only read */
	struct buf arguments;    /* JSON text of an object */
	uint32_t timeout_ms;     /* 0: the worker's default */
	double clock;            /* os_now when its time began to count: when it came, or the client had answered */
	bool patient;            /* its time counts from its begin in Emacs: a form of a batch, a task */
	ev_timer deadline;       /* core/deadline.c */
	enum priority priority;
	bool batch_unasked;      /* and it is PRIORITY_BATCH because nobody said otherwise */

	/* the answer: head, reply, tail make one line */
	enum fault fault;
	int own_fault;      /* the number for FAULT_OWN */
	const char *result_type; /* static; in the modern era; NULL: complete */
	bool failed, faulted, asks; /* the worker said: a failure; the reply is a fault; the reply asks the client */
	char *reason;       /* owned */
	json_t *data;       /* owned; of a fault, or NULL */
	struct buf head, reply;
	const char *tail;   /* static */
	bool silent;        /* nothing is sent */
	bool streaming;     /* the reply goes out while it comes in */
	bool ended;         /* the reply is complete, or will never be */
	char *broken;       /* owned; why a reply that is going out will never be complete */
	struct closer *closer; /* owned; follows a streaming reply */
	size_t received, consumed, allowed; /* bytes of a worker's reply */
	struct large *large;   /* owned; core/large.c: its long result, or the piece of one that it asked for; or NULL */
	void (*grown)(struct request *); /* takes what the reply has grown by, also at its end; NULL: it is collected, or streams */

	/* where it is */
	struct worker *worker; /* borrowed; whose line it waits in or flies with; NULL otherwise */
	struct pool *pool;     /* borrowed; the pool it was given to instead of one worker, or NULL */
	struct lane *lane;     /* borrowed; it waits in a line, of the worker or the pool */
	uint64_t client_key;   /* clients take turns in a line by it */
	uint64_t owner_key;    /* of who has proved to be behind several of them */
	long line_bytes;       /* what it counts there */
	double queued, waited; /* os_now when it began to wait; seconds it has waited in lines */
	unsigned tries;        /* how often it was sent to a worker */
	bool idempotent;       /* it may run twice */
	uint64_t begun_before; /* how many calls its worker had begun when it was sent */
	bool hopeless;         /* it was refused, and every other worker would refuse it too */
	struct task *task;     /* owned; the work of core/self.c on it; NULL otherwise */
	bool flying;           /* sent to the worker, which will answer or be lost */
	bool unanswered;       /* in its session's list */
	bool settled;          /* nobody waits for it any more */
	bool dead;             /* in pipeline::dead */
	double born, sent;     /* os_now */
	ev_timer progress;     /* its heartbeat */
	double progressed;     /* the number last told; negative: none */
	double spoke;          /* os_now of that */
	bool own_progress;     /* it counts by itself */
	struct buf said;       /* messages that are not told yet */

	void (*resume)(struct request *);  /* its answer is there, or begins: set by the pipeline */
	void (*drained)(struct request *); /* consumed has grown: set by the service */
	void (*noted)(struct request *, const char *json, size_t len); /* a word while it runs: set by the pipeline */
	void (*release)(struct request *); /* the worker holds it no more: set by the pipeline */
};

TAILQ_HEAD(request_list, request);

/* Where answers and notifications of one client go; the head of the front's own object. */
struct outlet {
	void (*deliver)(struct outlet *, struct request *); /* once; the front then owes pipeline_settle */
	void (*more)(struct outlet *, struct request *);    /* a streaming reply has grown or ended */
	/* A line (without the newline) besides the answers; ABOUT: of that request, or NULL: of the session. */
	void (*notify)(struct outlet *, struct request *about, const char *line, size_t len);
	/* Nothing will be delivered for it: it was no request, or it was cancelled.  May be NULL. */
	void (*dropped)(struct outlet *, struct request *);
};

struct request *request_create(void); /* all zero; ends the program when there is no memory */
void request_destroy(struct request *); /* only what it owns; it must be in no list */

/* Refuses it; the first reason stays.  DATA is taken and may be NULL.  Returns false. */
bool request_fail(struct request *, enum fault, json_t *data, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

uint32_t request_timeout(const struct request *); /* ms it may take in all */
uint32_t request_left(const struct request *);    /* ms of it that are left, at least 1; what is lost on a plain road is not counted */

void request_forget_message(struct request *); /* frees the tree; name and params with it */

#endif
