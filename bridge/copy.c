/* copy.c - see copy.h */
#include "copy.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

char *copy_text(const char *text)
{
	return text ? copy_part(text, strlen(text)) : NULL;
}

char *copy_part(const char *from, size_t len)
{
	char *made = malloc(len + 1);
	if (!made)
		log_no_memory();
	if (len)
		memcpy(made, from, len);
	made[len] = 0;
	return made;
}
