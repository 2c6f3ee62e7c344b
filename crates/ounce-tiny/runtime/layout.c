/* Moving elements: blocks of memory, padding, exchanging axes. */
#include "ounce_internal.h"

void ounce_copy_blocks(int32_t count, size_t bytes, const void *x, size_t x_step, void *y, size_t y_step)
{
    const uint8_t *from = x;
    uint8_t *to = y;
    for (int32_t i = 0; i < count; i++) {
        (void)memmove(to, from, bytes);
        from = &from[x_step];
        to = &to[y_step];
    }
}

void ounce_pad(const ounce_conv *window, size_t bytes, int32_t value, const void *x, void *y)
{
    const uint8_t *from = x;
    uint8_t *to = y;
    const size_t pixel = (size_t)window->in_channels * bytes;
    const size_t row = (size_t)window->in_width * pixel;
    const size_t out_row = (size_t)window->out_width * pixel;
    (void)memset(to, value, (size_t)window->out_height * out_row);
    to = &to[(size_t)window->pad_top * out_row + (size_t)window->pad_left * pixel];
    for (int32_t iy = 0; iy < window->in_height; iy++) {
        (void)memcpy(to, from, row);
        from = &from[row];
        to = &to[out_row];
    }
}

void ounce_transpose(int32_t rows, int32_t columns, size_t bytes, const void *x, void *y)
{
    const uint8_t *from = x;
    for (int32_t r = 0; r < rows; r++) {
        uint8_t *to = &((uint8_t *)y)[(size_t)r * bytes];
        for (int32_t c = 0; c < columns; c++) {
            for (size_t b = 0U; b < bytes; b++) {
                to[b] = from[b];
            }
            from = &from[bytes];
            to = &to[(size_t)rows * bytes];
        }
    }
}

void ounce_select_channels(int32_t pixels, int32_t channels, size_t bytes, const ounce_selection *selection, const void *x, void *y)
{
    const uint8_t *from = x;
    uint8_t *to = y;
    for (int32_t p = 0; p < pixels; p++) {
        for (int32_t k = 0; k < selection->count; k++) {
            (void)memmove(to, &from[(size_t)ounce_selected(selection, k) * bytes], bytes);
            to = &to[bytes];
        }
        from = &from[(size_t)channels * bytes];
    }
}
