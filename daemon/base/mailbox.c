/*
 * mailbox.c - a ring of messages under a lock, and an eventfd.
 * Owns the ring and the descriptor. Any thread sends, one takes.
 * Invariant, under the lock: count + reserved <= capacity, and the eventfd is readable exactly when count > 0.
 *
 *     ring:  ... | head: oldest ... | head + count: next free | ...      (indexes modulo capacity)
 */
#include "daemon/base/mailbox.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    pthread_mutex_t lock;
    int fd;
    uint32_t capacity, head, count, reserved;
    struct mail ring[];
};

struct mailbox *mailbox_create(uint32_t capacity)
{
    struct mailbox *mailbox = malloc(sizeof *mailbox + (size_t)capacity * sizeof mailbox->ring[0]);
    if (mailbox == NULL || capacity == 0)
        log_fatal("base", "no memory for a mailbox of %u messages", capacity);
    *mailbox = (struct mailbox){.capacity = capacity, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (mailbox->fd < 0)
        log_fatal("base", "no eventfd for a mailbox: %s", strerror(errno));
    pthread_mutex_init(&mailbox->lock, NULL);
    return mailbox;
}

void mailbox_destroy(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    for (uint32_t i = 0; i < mailbox->count; i++) {
        const struct mail *left = &mailbox->ring[((uint64_t)mailbox->head + i) % mailbox->capacity];
        if (left->payload != NULL)
            log_fatal("base", "a mailbox is destroyed with a payload of kind %u in it", left->kind);
    }
    close(mailbox->fd);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->fd;
}

/* Under the lock, where a place is known to be free. */
static void put(struct mailbox *mailbox, const struct mail *mail)
{
    mailbox->ring[((uint64_t)mailbox->head + mailbox->count) % mailbox->capacity] = *mail;
    if (mailbox->count++ > 0)
        return;
    while (eventfd_write(mailbox->fd, 1) != 0)
        if (errno != EINTR)
            log_fatal("base", "eventfd_write: %s", strerror(errno));
}

static bool is_full(const struct mailbox *mailbox)
{
    return mailbox->count + mailbox->reserved >= mailbox->capacity;
}

enum err mailbox_reserve(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    bool full = is_full(mailbox);
    if (!full)
        mailbox->reserved++;
    pthread_mutex_unlock(&mailbox->lock);
    return full ? ERR_LIMIT : ERR_NONE;
}

/* Under the lock. */
static void use_reservation(struct mailbox *mailbox)
{
    if (mailbox->reserved == 0)
        log_fatal("base", "a mailbox place is used that was never reserved");
    mailbox->reserved--;
}

void mailbox_unreserve(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    use_reservation(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_send_reserved(struct mailbox *mailbox, const struct mail *mail)
{
    pthread_mutex_lock(&mailbox->lock);
    use_reservation(mailbox);
    put(mailbox, mail);
    pthread_mutex_unlock(&mailbox->lock);
}

enum err mailbox_send(struct mailbox *mailbox, const struct mail *mail)
{
    pthread_mutex_lock(&mailbox->lock);
    bool full = is_full(mailbox);
    if (!full)
        put(mailbox, mail);
    pthread_mutex_unlock(&mailbox->lock);
    return full ? ERR_LIMIT : ERR_NONE;
}

uint32_t mailbox_take(struct mailbox *mailbox, struct mail *out, uint32_t max)
{
    pthread_mutex_lock(&mailbox->lock);
    uint32_t taken = mailbox->count < max ? mailbox->count : max;
    for (uint32_t i = 0; i < taken; i++)
        out[i] = mailbox->ring[((uint64_t)mailbox->head + i) % mailbox->capacity];
    mailbox->head = (uint32_t)(((uint64_t)mailbox->head + taken) % mailbox->capacity);
    mailbox->count -= taken;
    if (taken > 0 && mailbox->count == 0) {
        eventfd_t ignored;
        while (eventfd_read(mailbox->fd, &ignored) != 0)
            if (errno != EINTR)
                log_fatal("base", "eventfd_read: %s", strerror(errno));
    }
    pthread_mutex_unlock(&mailbox->lock);
    return taken;
}

uint32_t mailbox_wait(struct mailbox *mailbox, struct mail *out, uint32_t max, int timeout_ms)
{
    const struct clock_source *clock = clock_system();
    int64_t until_ms = timeout_ms > 0 ? clock_boot_ms(clock) + timeout_ms : 0;
    int left_ms = timeout_ms;
    for (;;) {
        uint32_t taken = mailbox_take(mailbox, out, max);
        if (taken > 0 || left_ms == 0)
            return taken;
        struct pollfd readable = {.fd = mailbox->fd, .events = POLLIN};
        if (poll(&readable, 1, left_ms) < 0 && errno != EINTR)
            log_fatal("base", "poll: %s", strerror(errno));
        if (timeout_ms > 0) {
            int64_t left = until_ms - clock_boot_ms(clock);
            left_ms = left > 0 ? (int)left : 0;
        }
    }
}
