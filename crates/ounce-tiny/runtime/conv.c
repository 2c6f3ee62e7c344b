/* Convolutions that sum over input channels: pointwise, general, fully connected. */
#include "ounce_internal.h"

/* One place: every weight is used once, so that nothing need be expanded. Works on a copy, since y may be x. */
static void ounce_dense_s8(int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w, const int32_t *bias,
                           const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch)
{
    int8_t *copy = scratch;
    (void)memcpy(copy, x, (size_t)in_channels);
    for (int32_t o = 0; o < out_channels; o++) {
        const int32_t sum = ounce_wrapping_add(bias[o], ounce_dot(in_channels, copy, x_zero, &w[o * in_channels]));
        ounce_store(requantize, o, sum, y, unclamped, (size_t)o);
    }
}

void ounce_pointwise_s8(int32_t pixels, int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch)
{
    int16_t *block = (int16_t *)scratch;
    const int32_t blocks = (pixels + 3) / 4;
    if (unclamped != NULL) {
        (void)memset(unclamped, 0, ((size_t)pixels * (size_t)out_channels + 7U) / 8U);
    }
    if (pixels == 1) {
        ounce_dense_s8(in_channels, out_channels, x, x_zero, w, bias, requantize, y, unclamped, scratch);
        return;
    }
    for (int32_t b = 0; b < blocks; b++) {
        /* Where pixels grow, the last one goes first, so that they may grow in place. */
        const int32_t pixel = 4 * ((out_channels > in_channels) ? (blocks - 1 - b) : b);
        const int32_t columns = ((pixels - pixel) < 4) ? (pixels - pixel) : 4;
        if (columns < 4) {
            (void)memset(block, 0, (size_t)OUNCE_POINTWISE_SCRATCH(in_channels));
        }
        for (int32_t c = 0; c < columns; c++) {
            ounce_block_column(&x[(pixel + c) * in_channels], x_zero, in_channels, c, block);
        }
        ounce_multiply_block(in_channels, out_channels, block, columns, w, bias, requantize, y, unclamped,
                             (size_t)pixel * (size_t)out_channels);
    }
}

/* Copies what the kernel sees at output (oy, ox): [kernel row][kernel column][channel], padding as the zero point. */
OUNCE_APART void ounce_gather_window(const ounce_conv *conv, const int8_t *x, int32_t x_zero, int32_t oy, int32_t ox, int8_t *to)
{
    const int32_t top = oy * conv->stride_height - conv->pad_top;
    const int32_t left = ox * conv->stride_width - conv->pad_left;
    const int32_t first = (left < 0) ? -left : 0;
    const int32_t room = conv->in_width - left;
    const int32_t end = (room < conv->kernel_width) ? room : conv->kernel_width;
    const int32_t channels = conv->in_channels;
    const int32_t row = conv->kernel_width * channels;
    for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
        const int32_t iy = top + ky;
        int8_t *row_to = &to[ky * row];
        if ((iy < 0) || (iy >= conv->in_height) || (end <= first)) {
            (void)memset(row_to, x_zero, (size_t)row);
        } else if ((first == 0) && (end == conv->kernel_width)) {
            const int8_t *from = &x[(iy * conv->in_width + left) * channels];
            int32_t t = 0;
            for (; t < (row - 3); t += 4) {
                (void)memcpy(&row_to[t], &from[t], 4U);
            }
            for (; t < row; t++) {
                row_to[t] = from[t];
            }
        } else {
            const int8_t *from = &x[(iy * conv->in_width + left + first) * channels];
            int32_t t = 0;
            for (; t < first * channels; t++) {
                row_to[t] = (int8_t)x_zero;
            }
            for (; t < end * channels; t++) {
                row_to[t] = *from;
                from = &from[1];
            }
            for (; t < row; t++) {
                row_to[t] = (int8_t)x_zero;
            }
        }
    }
}

void ounce_conv_s8(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const int8_t *w, const int32_t *bias,
                   const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch)
{
    const int32_t taps = conv->kernel_height * conv->kernel_width * conv->in_channels;
    const int32_t pixels = conv->out_height * conv->out_width;
    int16_t *block = (int16_t *)scratch;
    int8_t *window = (int8_t *)scratch + OUNCE_POINTWISE_SCRATCH(taps);
    int32_t oy = 0;
    int32_t ox = 0;
    if (unclamped != NULL) {
        (void)memset(unclamped, 0, ((size_t)pixels * (size_t)conv->out_channels + 7U) / 8U);
    }
    for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
        const int32_t columns = ((pixels - pixel) < 4) ? (pixels - pixel) : 4;
        if (columns < 4) {
            (void)memset(block, 0, (size_t)OUNCE_POINTWISE_SCRATCH(taps));
        }
        for (int32_t c = 0; c < columns; c++) {
            ounce_gather_window(conv, x, x_zero, oy, ox, window);
            ounce_block_column(window, x_zero, taps, c, block);
            ox++;
            if (ox == conv->out_width) {
                ox = 0;
                oy++;
            }
        }
        ounce_multiply_block(taps, conv->out_channels, block, columns, w, bias, requantize, y, unclamped,
                             (size_t)pixel * (size_t)conv->out_channels);
    }
}

void ounce_dense_s8_s32(int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, int32_t *y)
{
    for (int32_t o = 0; o < out_channels; o++) {
        y[o] = ounce_wrapping_add(bias[o], ounce_dot(in_channels, x, x_zero, &w[o * in_channels]));
    }
}

void ounce_dense_s8_f32(int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, const float *scale, float *y)
{
    for (int32_t o = 0; o < out_channels; o++) {
        y[o] = (float)(ounce_wrapping_add(bias[o], ounce_dot(in_channels, x, x_zero, &w[o * in_channels]))) * scale[o];
    }
}
