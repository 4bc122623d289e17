/* main_house.h - all rooms of the bridge put together, and the commands that people give.
 * main_*.c alone include it. */
#ifndef MAIN_HOUSE_H
#define MAIN_HOUSE_H

#include "back/finder.h"
#include "back/gateway.h"
#include "cli.h"
#include "core/pipeline.h"

struct house {
	struct config *config; /* borrowed */
	struct ev_loop *loop;
	struct service *service;
	struct pipeline *pipeline;
	struct finder *finder;
	struct service *outer;   /* NULL: no gateway is looked for */
	struct worker *gateway;  /* borrowed from it */
};

void house_fill_descriptors(void); /* 0 to 2 are open afterwards */
bool house_init(struct house *, struct config *); /* false: said in the log */
bool house_init_on(struct house *, struct config *, struct ev_loop *); /* the same on a loop of the caller's */
void house_find_gateway(struct house *); /* a bridge, never the gateway: from now on one is looked for */
void house_know_gateway(struct house *); /* waits until it has answered, or does not in time */
enum { HOUSE_WORDS = WORKER_WHY_MAX + 200 };
bool house_gateway_words(const struct house *, char words[HOUSE_WORDS]); /* for people; false: there is one and it cannot be used */
struct ev_loop *house_finish(struct house *); /* the loop is the caller's to destroy; NULL: there is none */

/* Calls TOOL as an agent would and waits.  The JSON-RPC response; the caller's.  ARGUMENTS is taken. */
json_t *house_call(struct house *, const char *tool, json_t *arguments);
enum exit_status house_status_of(const json_t *response, json_t **said); /* *said: its text as JSON or NULL; the caller's */

/* Commands: an exit status each. */
int command_call(struct house *, const struct cli *);      /* main_commands.c */
int command_status(struct house *, const struct cli *);
int command_instances(struct house *, const struct cli *);
int command_doctor(struct house *, const struct cli *);    /* main_doctor.c */
int command_config(const struct cli *);                    /* main_config.c */

#endif
