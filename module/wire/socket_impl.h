/* socket_impl.h - what the files of socket.h share; nobody else includes it. */
#ifndef WIRE_SOCKET_IMPL_H
#define WIRE_SOCKET_IMPL_H

#include "socket.h"

#include <sys/socket.h>

extern const int socket_sends, socket_receives; /* flags of sendmsg and recvmsg, as the system has them */

#endif
