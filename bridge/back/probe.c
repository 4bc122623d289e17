/* probe.c - see probe.h */
#include "back/probe.h"
#include "mcp/census.h"
#include "log.h"
#include "mcp/text.h"
#include "os.h"
#include "wire/socket.h"
#include "wire/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE = 4096, PINGS = 5 };

static int open_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = strlen(path) < sizeof address.sun_path ? socket_make() : -1;
	if (fd < 0)
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* The next frame within the time; false: *why. */
static bool receive(int fd, struct buf *in, struct wire_frame *frame, double deadline, struct probe *probe, const char **why)
{
	for (;;) {
		enum wire_take take = wire_take(in, frame, why);
		if (take != WIRE_TAKE_NONE)
			return take == WIRE_TAKE_FRAME;
		double left = deadline - os_now();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		*why = "it says nothing";
		if (left <= 0 || poll(&p, 1, (int)(left * 1000) + 1) <= 0)
			return false;
		if (!buf_reserve(in, PIECE))
			log_no_memory();
		ssize_t n = recv(fd, buf_room(in), PIECE, MSG_DONTWAIT);
		*why = "it closed the connection";
		if (n <= 0)
			return false;
		buf_filled(in, (size_t)n);
		const unsigned char *head = (const unsigned char *)in->mem + in->head;
		if (!probe->wire && buf_len(in) > 6 && head[6] != WIRE_GOODBYE) /* that speaks to every version */
			probe->wire = head[5];
	}
}

static bool say(int fd, enum wire_type type, uint64_t id, const char *text)
{
	struct buf out = {0};
	if (!wire_put(&out, (uint8_t)type, 0, id, text, strlen(text)))
		log_no_memory();
	bool good = socket_send(fd, buf_data(&out), buf_len(&out)) == (ssize_t)buf_len(&out);
	buf_finish(&out);
	return good;
}

static void keep(char to[PROBE_TEXT], const json_t *message, const char *key)
{
	const char *text = json_string_value(json_object_get(message, key));
	snprintf(to, PROBE_TEXT, "%s", text ? text : "");
}

static bool greet(int fd, struct buf *in, double deadline, struct probe *probe)
{
	struct wire_frame frame;
	const char *why;
	char hello[128];
	double begun = os_now();
	snprintf(hello, sizeof hello, "{\"version\":\"" EFRIT_MCP_VERSION "\",\"pid\":%ld,\"client\":\"doctor\"}", (long)getpid());
	if (!say(fd, WIRE_HELLO, 0, hello) || !receive(fd, in, &frame, deadline, probe, &why)) {
		snprintf(probe->parting, PROBE_TEXT, "%s", why);
		return false;
	}
	json_t *message = census_load(frame.data, frame.len, 0, NULL);
	probe->welcomed = frame.type == WIRE_WELCOME;
	probe->hello_ms = (os_now() - begun) * 1000;
	keep(probe->version, message, "version");
	keep(probe->emacs, message, "emacs_version");
	keep(probe->parting, message, "message");
	if (!probe->welcomed && !*probe->parting)
		snprintf(probe->parting, PROBE_TEXT, "its first frame is no welcome");
	json_decref(message);
	wire_eat(in, &frame);
	return probe->welcomed;
}

/* The fastest of a few: the others say more of the machine than of the path. */
static void ping(int fd, struct buf *in, double deadline, struct probe *probe)
{
	struct wire_frame frame;
	const char *why;
	for (uint64_t i = 1; i <= PINGS; i++) {
		double begun = os_now();
		bool back = false;
		if (!say(fd, WIRE_PING, i, ""))
			return;
		while (!back) {
			if (!receive(fd, in, &frame, deadline, probe, &why))
				return;
			back = frame.type == WIRE_PONG && frame.id == i;
			wire_eat(in, &frame);
		}
		double ms = (os_now() - begun) * 1000;
		if (!probe->ponged || ms < probe->ping_ms)
			probe->ping_ms = ms;
		probe->ponged = true;
	}
}

void probe_socket(const char *path, int timeout_ms, struct probe *probe)
{
	struct buf in = {0};
	double deadline = os_now() + (double)timeout_ms / 1000;
	*probe = (struct probe){0};
	int fd = open_socket(path);
	probe->error = errno;
	probe->listens = fd >= 0;
	if (fd < 0)
		return;
	probe->known = socket_peer(fd, &probe->uid, &probe->pid);
	if (probe->known && probe->uid == geteuid() && greet(fd, &in, deadline, probe))
		ping(fd, &in, deadline, probe);
	close(fd);
	buf_finish(&in);
}
