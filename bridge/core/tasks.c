/* tasks.c - see tasks.h */
#include "core/tasks.h"
#include "mcp/era.h"
#include "mcp/result.h"

bool tasks_wanted(struct request *r, const struct tool *tool)
{
	if (tool->must_task)
		result_error(r, "needs_tasks", NULL, "%s", tool->name);
	return false;
}

enum verdict tasks_submit(struct request *r, struct worker *w)
{
	(void)r, (void)w;
	return DONE;
}

enum verdict tasks_enter(struct request *r)
{
	(void)r;
	return DONE;
}

bool tasks_listen(struct request *r, const json_t *wanted, struct buf *honoured)
{
	(void)r, (void)wanted, (void)honoured;
	return true;
}

void tasks_listened(struct request *r)
{
	(void)r;
}
