/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/message.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

#define ID_OFFSET 5
#define MARK_OFFSET 13
#define SIZE_OFFSET 14

static const struct form {
    char command;
    bool has_id;
    uint32_t max_size; /* 0: no SIZE */
} forms[] = {
    {'I', false, 0},
    {'B', true, MESSAGE_BLOCKS_MAX},
    {'C', true, MESSAGE_DATA_MAX},
    {'M', true, MESSAGE_DATA_MAX},
    {'D', true, 0},
    {'F', true, 0},
    {'E', true, MESSAGE_TEXT_MAX},
    {'Q', false, 0},
};

static const struct form *find_form(char command)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (forms[i].command == command)
            return &forms[i];
    }
    return NULL;
}

static size_t head_length(const struct form *form)
{
    if (form->max_size > 0)
        return MESSAGE_HEAD_MAX;
    return form->has_id ? MARK_OFFSET : MESSAGE_HEAD_MIN;
}

size_t message_encode(const struct message *message, uint8_t head[static MESSAGE_HEAD_MAX])
{
    const struct form *form = find_form(message->command);
    assert(form && message->size <= form->max_size);

    set_be32(head, message->pid);
    head[4] = (uint8_t)message->command;
    if (form->has_id)
        set_be64(head + ID_OFFSET, message->id);
    if (form->max_size > 0) {
        head[MARK_OFFSET] = 'S';
        set_be32(head + SIZE_OFFSET, message->size);
    }
    return head_length(form);
}

static int check_tail(const uint8_t *head, const struct form *form, struct err *err)
{
    if (head[MARK_OFFSET] != 'S')
        return err_set(err, ERR_CORRUPT, "no 'S' in message %c", form->command);
    uint32_t size = get_be32(head + SIZE_OFFSET);
    if (size > form->max_size)
        return err_set(err, ERR_CORRUPT, "SIZE %u in message %c exceeds the limit of %u", size,
                       form->command, form->max_size);
    return 0;
}

int message_decode(const uint8_t *head, size_t len, const char *commands, struct message *ret,
                   struct err *err)
{
    if (len < MESSAGE_HEAD_MIN)
        return (int)(MESSAGE_HEAD_MIN - len);
    char command = (char)head[4];
    /* strchr would find the NUL at the end of the list */
    const struct form *form =
        command != '\0' && strchr(commands, command) ? find_form(command) : NULL;
    if (!form)
        return err_set(err, ERR_CORRUPT, "unexpected command 0x%02x in a message", head[4]);
    size_t whole = head_length(form);
    if (len < whole)
        return (int)(whole - len);
    if (form->max_size > 0 && check_tail(head, form, err) < 0)
        return -1;
    *ret = (struct message){
        .pid = get_be32(head),
        .command = command,
        .id = form->has_id ? get_be64(head + ID_OFFSET) : 0,
        .size = form->max_size > 0 ? get_be32(head + SIZE_OFFSET) : 0,
    };
    return 0;
}
