/*
 * watch_stream.h - a stream that is followed until somebody interrupts it: asked anew when it ends, on a new connection
 * when the hub went away.
 *
 * Owns: the stream, waiting between tries (half a second and up to half a minute), SIGINT and SIGTERM from the first
 * call on. Not here: what is asked and heard. Thread: the client's one thread; its process follows one stream.
 */
#ifndef VACANCY_CLIENT_WATCH_STREAM_H
#define VACANCY_CLIENT_WATCH_STREAM_H

#include "client/command.h"

struct watch_stream {
    struct cli *cli;
    const char *path;
    const ProtobufCMessageDescriptor *reply;
    const ProtobufCMessage *(*begin)(void *context); /* a stream begins: its request, valid until the next */
    void (*hear)(void *context, const ProtobufCMessage *message);
    void (*turn)(void *context); /* at least once a second and after each signal, also while the hub is away */
    void *context;
    bool heard; /* something, since the last stream began */
};

/* EXIT_DONE when it was interrupted, or nobody reads the output any more; else it has been said why. */
enum exit_code watch_stream_follow(struct watch_stream *stream) __attribute__((warn_unused_result));
/* As if it had been interrupted. */
void watch_stream_stop(void);

#endif
