/* wire.h - the contract between the module inside Emacs and the bridge: frames,
 * their types and limits.  WIRE.md is the prose.  libc only; any thread, one
 * buffer at a time.  Both programs compile this one file. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "buf.h"

#include <stdint.h>

enum {
	WIRE_VERSION = 3,
	WIRE_GOODBYE_VERSION = 1,              /* of every GOODBYE, so that any version reads why */
	WIRE_MAGIC = 0xEF,
	WIRE_HEADER = 16,                      /* bytes before the payload */
	WIRE_FRAME_MAX = 1024 * 1024,          /* payload bytes in one frame */
	WIRE_REQUEST_MAX = 4 * 1024 * 1024,    /* bytes of one CALL's payload, all its frames */
	WIRE_RESULT_MAX = 128 * 1024 * 1024,   /* bytes of one RESULT, all its frames; a long text is held once, as it is, while it is sent */
	WIRE_BLOCK = 64 * 1024,                /* RESULT bytes in one frame: other answers get in between */
	WIRE_WINDOW = 256 * 1024,              /* RESULT bytes a call may send before its first CREDIT */
	WIRE_PEERS_MAX = 64,                   /* bridges at one Emacs: it cannot use descriptors over 1023 */
	WIRE_UNREAD_MAX = 64 * 1024 * 1024,    /* answers held for one peer before its jobs wait */
	WIRE_TOOL_MAX = 128,                   /* bytes of a tool's name */
	WIRE_CLIENT_MAX = 128,                 /* bytes of a client's name */
	WIRE_NOTE_MAX = 64 * 1024,             /* bytes of a NOTE */
	WIRE_WATCH_MAX = 256 * 1024,           /* bytes of a WATCH */
	WIRE_SPECIAL_MAX = 1024 * 1024,        /* bytes of a RESULT that is a FAULT or ASKS */
	WIRE_TIMEOUT_DEFAULT = 30 * 1000,      /* ms a form may run */
	WIRE_TIMEOUT_MAX = 60 * 60 * 1000,     /* ms */
};

/* Frame types.  An answer is its question with bit 6 set. */
enum wire_type {
	WIRE_HELLO = 1,     /* first frame of a peer, id 0 */
	WIRE_PING = 2,
	WIRE_STATUS = 3,
	WIRE_CALL = 4,
	WIRE_CANCEL = 5,    /* id of the CALL; the CALL itself is answered */
	WIRE_INTERRUPT = 6,
	WIRE_CREDIT = 7,    /* id of the CALL; u32 bytes */
	WIRE_CATALOGUE = 8,
	WIRE_WATCH = 9,     /* id 0; the resources whose changes somebody at this peer hears of */

	WIRE_WELCOME = WIRE_HELLO | 0x40,
	WIRE_PONG = WIRE_PING | 0x40,
	WIRE_STATE = WIRE_STATUS | 0x40,
	WIRE_RESULT = WIRE_CALL | 0x40,
	WIRE_INTERRUPTED = WIRE_INTERRUPT | 0x40,
	WIRE_TOOLS = WIRE_CATALOGUE | 0x40,
	WIRE_REFUSED = 0x50, /* id of the CALL: it did not start and will not */
	WIRE_CHANGED = 0x51, /* id 0: the catalogue is another one now */
	WIRE_GOODBYE = 0x52, /* id 0: last frame before the module closes, with the reason */
	WIRE_NOTE = 0x53,    /* id of the CALL, while it runs; 0: to everybody */
};

enum {
	WIRE_MORE = 0x01,   /* flag: further frames of this id and type complete the message */
	WIRE_FAILED = 0x02, /* flag on RESULT: the tool failed (the text says so too) */
	WIRE_FAULT = 0x04,  /* flag on RESULT: no result, but an error of the protocol */
	WIRE_ASKS = 0x08,   /* flag on RESULT: not done, the client must answer something first */
};

enum wire_priority { WIRE_INTERACTIVE, WIRE_NORMAL, WIRE_BATCH, WIRE_PRIORITIES };

struct wire_frame {
	uint8_t type, flags;
	uint64_t id;
	const char *data; /* borrowed from the buffer until it changes */
	size_t len;
};

/* What a CALL's payload holds.  All pointers are borrowed from the payload. */
struct wire_call {
	uint32_t timeout_ms;
	uint8_t priority;
	bool patient; /* its time counts from its begin, not from its arrival */
	const char *tool, *client, *context, *arguments; /* not terminated */
	size_t tool_len, client_len, context_len, arguments_len; /* without context: 0 */
};

/* Appends one frame.  len <= WIRE_FRAME_MAX.  False: out of memory. */
bool wire_put(struct buf *out, uint8_t type, uint8_t flags, uint64_t id, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* What follows the head of the frame that was put AT bytes into OUT, without a payload, is its payload. */
void wire_grown(struct buf *out, size_t at, uint8_t flags);

/* Appends a CALL, in as many frames as it needs.  False: out of memory or over a limit. */
bool wire_put_call(struct buf *out, uint64_t id, const struct wire_call *call) __attribute__((warn_unused_result));

enum wire_take { WIRE_TAKE_NONE, WIRE_TAKE_FRAME, WIRE_TAKE_BAD };

/* Looks at the front of IN.  FRAME: *frame is filled; call wire_eat when done with
 * it.  NONE: more bytes are needed.  BAD: *why (static text) says what is wrong;
 * the stream cannot be used any further. */
enum wire_take wire_take(const struct buf *in, struct wire_frame *frame, const char **why);
void wire_eat(struct buf *in, const struct wire_frame *frame);

/* Reads a whole CALL payload.  False: *why (static text) says what is wrong. */
bool wire_parse_call(const char *data, size_t len, struct wire_call *call, const char **why)
	__attribute__((warn_unused_result));

void wire_store_u32(char *at, uint32_t value);
uint32_t wire_load_u32(const char *at);

/* The words for an instance's state, the same everywhere (DESIGN.md section 3). */
#define WIRE_STARTING "starting"
#define WIRE_IDLE "idle"
#define WIRE_RUNNING "running"
#define WIRE_PROMPTING "prompting"
#define WIRE_BLOCKED "blocked"
#define WIRE_GONE "gone"

#endif
