/* queue_note.c - words of a job to its client while it runs.  They go the way of the
 * answers, so that none comes after its job's own; when the loop does not keep up they are
 * dropped, an answer never.  See queue.h. */
#include "queue_priv.h"

#include <stdlib.h>

enum { NOTES_MAX = 256 }; /* on their way from Lisp to the loop */

bool queue_note(struct queue *q, uint64_t number, struct buf *text)
{
	struct reply *note = calloc(1, sizeof *note);
	pthread_mutex_lock(&q->lock);
	struct job *job = number ? queue_job(q, number) : NULL;
	bool wanted = note && q->notes < NOTES_MAX && (!number || (job && job->state != JOB_WAITING && !job->answered));
	if (wanted) {
		note->peer = job ? job->peer : 0;
		note->id = job ? job->id : 0;
		note->outcome = JOB_NOTE;
		note->text = *text;
		*text = (struct buf){0};
		TAILQ_INSERT_TAIL(&q->replies, note, link);
		q->n_replies++;
		q->notes++;
		struct job *speaker = job ? job : q->running; /* whose answer is not to come before this */
		if (speaker)
			speaker->noted = true;
	}
	pthread_mutex_unlock(&q->lock);
	buf_finish(text);
	if (!wanted)
		free(note);
	else if (q->wake)
		q->wake(q->wake_data);
	return wanted;
}
