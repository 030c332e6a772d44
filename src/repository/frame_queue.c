/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/frame_queue.h"

#include <pthread.h>

struct frame_queue {
    pthread_mutex_t mutex; /* of the links; what a frame holds does not change */
    struct frame_in_work *first;
    struct frame_in_work **end;
};

struct frame_queue *frame_queue_new(void)
{
    struct frame_queue *queue = mem_alloc(sizeof(*queue));

    pthread_mutex_init(&queue->mutex, NULL);
    queue->end = &queue->first;
    return queue;
}

void frame_queue_free(struct frame_queue *queue)
{
    struct frame_in_work *frame;

    if (!queue)
        return;
    while ((frame = frame_queue_take(queue)))
        free(frame);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

void frame_queue_add(struct frame_queue *queue, struct frame_in_work *frame)
{
    pthread_mutex_lock(&queue->mutex);
    *queue->end = frame;
    queue->end = &frame->next;
    pthread_mutex_unlock(&queue->mutex);
}

struct frame_in_work *frame_queue_take(struct frame_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct frame_in_work *frame = queue->first;
    if (frame)
        queue->first = frame->next;
    if (!queue->first)
        queue->end = &queue->first;
    pthread_mutex_unlock(&queue->mutex);
    return frame;
}

const struct frame_in_work *frame_queue_find(struct frame_queue *queue, uint64_t chunk)
{
    pthread_mutex_lock(&queue->mutex);
    const struct frame_in_work *frame = queue->first;
    while (frame && frame->chunk != chunk)
        frame = frame->next;
    pthread_mutex_unlock(&queue->mutex);
    return frame;
}
