/* folder.h - where a client works: the folder that its request names, and the one its program
 * was started in.  Emacs is told both with a call, for relative names.  core alone calls. */
#ifndef FOLDER_H
#define FOLDER_H

struct request;

/* Members of a call's context, without braces; the caller frees.  NULL: there is nothing to say. */
char *folder_members(const char *said, const char *started);

/* While r's message is there: what it says about itself, for its context. */
void folder_learn(struct request *r);

#endif
