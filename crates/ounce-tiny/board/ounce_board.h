/* What a program under simulation may ask of the machine around it. The host's end is semihosting; on a computer, board_host.c. */
#ifndef OUNCE_BOARD_H
#define OUNCE_BOARD_H

#include <stddef.h>
#include <stdint.h>

/* The program. Its result is the exit status, 0..124. */
int ounce_main(void);

/* Counts instructions: each call notes how many were executed before it. */
void ounce_mark(void);

/* Files of the folder that the program runs in. Returns a handle, or a negative number. */
int32_t ounce_open_read(const char *name);
int32_t ounce_open_write(const char *name);

/* Bytes read, fewer at the end of the file; -1 is an error. */
int32_t ounce_read(int32_t handle, void *to, size_t bytes);

/* 0, or the bytes that were not written. */
int32_t ounce_write(int32_t handle, const void *from, size_t bytes);

int32_t ounce_close(int32_t handle);

/* Text for whoever watches. */
void ounce_print(const char *text);

/* Ends the program. */
void ounce_exit(int32_t status);

#endif
