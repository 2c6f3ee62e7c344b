/* ounce_board.h on a computer: the same programs run there. */
#include "ounce_board.h"

#include <stdio.h>
#include <stdlib.h>

static FILE *ounce_files[16];

static int32_t ounce_open(const char *name, const char *mode)
{
    for (int32_t handle = 0; handle < 16; handle++) {
        if (ounce_files[handle] == NULL) {
            ounce_files[handle] = fopen(name, mode);
            return (ounce_files[handle] == NULL) ? -1 : handle;
        }
    }
    return -1;
}

int32_t ounce_open_read(const char *name)
{
    return ounce_open(name, "rb");
}

int32_t ounce_open_write(const char *name)
{
    return ounce_open(name, "wb");
}

int32_t ounce_read(int32_t handle, void *to, size_t bytes)
{
    return (int32_t)fread(to, 1U, bytes, ounce_files[handle]);
}

int32_t ounce_write(int32_t handle, const void *from, size_t bytes)
{
    return (int32_t)(bytes - fwrite(from, 1U, bytes, ounce_files[handle]));
}

int32_t ounce_close(int32_t handle)
{
    const int32_t result = fclose(ounce_files[handle]);
    ounce_files[handle] = NULL;
    return result;
}

void ounce_print(const char *text)
{
    (void)fputs(text, stdout);
}

void ounce_mark(void)
{
}

void ounce_exit(int32_t status)
{
    exit(status);
}

int main(void)
{
    return ounce_main();
}
