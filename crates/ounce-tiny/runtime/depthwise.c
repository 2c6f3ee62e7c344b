/* Depthwise convolution, one channel after the other: the channel's plane is copied with its padding, then a small kernel slides over it. */
#include "ounce_internal.h"

/* The plane of one channel: bytes, padded with the zero point on all sides as far as windows reach. */
typedef struct {
    int8_t *bytes;
    int32_t width;
    int32_t height;
} ounce_plane;

static ounce_plane ounce_plane_of(const ounce_conv *conv, int8_t *bytes)
{
    ounce_plane plane;
    const int32_t reach_y = (conv->out_height - 1) * conv->stride_height + conv->kernel_height;
    const int32_t reach_x = (conv->out_width - 1) * conv->stride_width + conv->kernel_width;
    const int32_t held_y = conv->pad_top + conv->in_height;
    const int32_t held_x = conv->pad_left + conv->in_width;
    plane.bytes = bytes;
    plane.height = (reach_y > held_y) ? reach_y : held_y;
    plane.width = (reach_x > held_x) ? reach_x : held_x;
    return plane;
}

/* Copies the inner part of a channel; the padding was written before and stays. */
static void ounce_fill_plane(const ounce_conv *conv, const int8_t *x, int32_t channel, const ounce_plane *plane)
{
    const int32_t channels = conv->in_channels;
    const int8_t *from = &x[channel];
    for (int32_t iy = 0; iy < conv->in_height; iy++) {
        int8_t *to = &plane->bytes[(conv->pad_top + iy) * plane->width + conv->pad_left];
        int8_t *const end = &to[conv->in_width];
        int8_t *const end4 = &to[conv->in_width & ~3];
        while (to != end4) {
            to[0] = from[0];
            from = &from[channels];
            to[1] = from[0];
            from = &from[channels];
            to[2] = from[0];
            from = &from[channels];
            to[3] = from[0];
            from = &from[channels];
            to = &to[4];
        }
        while (to != end) {
            *to = *from;
            to = &to[1];
            from = &from[channels];
        }
    }
}

/* Bias less what the zero point contributes at every place, since planes hold x and not x - x_zero. */
static int32_t ounce_corrected_bias(const int8_t *w, int32_t taps, int32_t x_zero, int32_t bias)
{
    int32_t sum = 0;
    for (int32_t t = 0; t < taps; t++) {
        sum += w[t];
    }
    return bias - x_zero * sum;
}

#if OUNCE_DSP
static inline uint32_t ounce_pack(int32_t bottom, int32_t top)
{
    return ((uint32_t)bottom & 0xffffU) | ((uint32_t)top << 16);
}

/* Rows of weights as pairs: of 4 taps (w0, w2) and (w1, w3), missing ones 0. */
static void ounce_pack_weights(const ounce_conv *conv, const int8_t *w, uint32_t *pairs)
{
    for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
        for (int32_t kx = 0; kx < conv->kernel_width; kx += 4) {
            int32_t taps[4];
            for (int32_t t = 0; t < 4; t++) {
                taps[t] = ((kx + t) < conv->kernel_width) ? w[ky * conv->kernel_width + kx + t] : 0;
            }
            pairs[0] = ounce_pack(taps[0], taps[2]);
            pairs[1] = ounce_pack(taps[1], taps[3]);
            pairs = &pairs[2];
        }
    }
}

/* One place, any kernel: 4 taps at a time. */
static inline int32_t ounce_window_sum(const int8_t *x, int32_t width, int32_t rows, int32_t quads, const uint32_t *pairs, int32_t bias)
{
    int32_t sum = bias;
    for (int32_t ky = 0; ky < rows; ky++) {
        for (int32_t quad = 0; quad < quads; quad++) {
            const uint32_t x4 = ounce_load4(&x[4 * quad]);
            sum = ounce_smlad(ounce_sxtb16(x4), pairs[0], sum);
            sum = ounce_smlad(ounce_sxtb16_odd(x4), pairs[1], sum);
            pairs = &pairs[2];
        }
        x = &x[width];
    }
    return sum;
}

/* Two neighbouring places of a kernel with 3 columns, stride 1. */
static inline void ounce_pair_of_3(const int8_t *x, int32_t width, const uint32_t *pairs, int32_t bias, int32_t *sums)
{
    int32_t s0 = bias;
    int32_t s1 = bias;
    for (int32_t ky = 0; ky < 3; ky++) {
        const uint32_t x4 = ounce_load4(x);
        const uint32_t even = ounce_sxtb16(x4);
        const uint32_t odd = ounce_sxtb16_odd(x4);
        const uint32_t outer = pairs[2 * ky];
        const uint32_t inner = pairs[2 * ky + 1];
        s0 = ounce_smlad(even, outer, s0);
        s0 = ounce_smlabb(odd, inner, s0);
        s1 = ounce_smlad(odd, outer, s1);
        s1 = ounce_smlatb(even, inner, s1);
        x = &x[width];
    }
    sums[0] = s0;
    sums[1] = s1;
}

/* Sums of `count` neighbouring places of one row of outputs. */
static inline void ounce_row_sums(const ounce_conv *conv, const ounce_plane *plane, const int8_t *x, const uint32_t *pairs,
                                  int32_t bias, int32_t count, int32_t *sums)
{
    const int32_t stride = conv->stride_width;
    if ((count == 4) && (conv->kernel_width == 3) && (conv->kernel_height == 3)) {
        if (stride == 1) {
            ounce_pair_of_3(x, plane->width, pairs, bias, sums);
            ounce_pair_of_3(&x[2], plane->width, pairs, bias, &sums[2]);
        } else {
            for (int32_t c = 0; c < 4; c++) {
                sums[c] = ounce_window_sum(&x[c * stride], plane->width, 3, 1, pairs, bias);
            }
        }
    } else if ((conv->kernel_width > 4) && (conv->kernel_width <= 8)) {
        for (int32_t c = 0; c < count; c++) {
            sums[c] = ounce_window_sum(&x[c * stride], plane->width, conv->kernel_height, 2, pairs, bias);
        }
    } else {
        const int32_t quads = (conv->kernel_width + 3) / 4;
        for (int32_t c = 0; c < count; c++) {
            sums[c] = ounce_window_sum(&x[c * stride], plane->width, conv->kernel_height, quads, pairs, bias);
        }
    }
}
#else
static void ounce_row_sums(const ounce_conv *conv, const ounce_plane *plane, const int8_t *x, const int8_t *w, int32_t bias,
                           int32_t count, int32_t *sums)
{
    for (int32_t c = 0; c < count; c++) {
        const int8_t *window = &x[c * conv->stride_width];
        int32_t sum = bias;
        for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
            for (int32_t kx = 0; kx < conv->kernel_width; kx++) {
                sum += window[ky * plane->width + kx] * w[ky * conv->kernel_width + kx];
            }
        }
        sums[c] = sum;
    }
}
#endif

void ounce_depthwise_s8(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const int8_t *w, const int32_t *bias,
                        const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch)
{
    const int32_t channels = conv->out_channels;
    const int32_t taps = conv->kernel_height * conv->kernel_width;
#if OUNCE_DSP
    uint32_t *pairs = (uint32_t *)scratch;
    const int32_t packed = conv->kernel_height * ((conv->kernel_width + 3) / 4) * 8;
    const ounce_plane plane = ounce_plane_of(conv, (int8_t *)scratch + packed);
#else
    const ounce_plane plane = ounce_plane_of(conv, (int8_t *)scratch);
#endif
    (void)memset(plane.bytes, x_zero, (size_t)plane.width * (size_t)plane.height + 8U);
    if (unclamped != NULL) {
        const size_t outputs = (size_t)conv->out_height * (size_t)conv->out_width * (size_t)channels;
        (void)memset(unclamped, 0, (outputs + 7U) / 8U);
    }
    for (int32_t channel = 0; channel < channels; channel++) {
        const int8_t *w_channel = &w[channel * taps];
        const int32_t corrected = ounce_corrected_bias(w_channel, taps, x_zero, bias[channel]);
        size_t at = (size_t)channel;
        ounce_fill_plane(conv, x, channel, &plane);
#if OUNCE_DSP
        ounce_pack_weights(conv, w_channel, pairs);
#endif
        for (int32_t oy = 0; oy < conv->out_height; oy++) {
            const int8_t *row = &plane.bytes[oy * conv->stride_height * plane.width];
            for (int32_t ox = 0; ox < conv->out_width; ox += 4) {
                const int32_t count = ((conv->out_width - ox) < 4) ? (conv->out_width - ox) : 4;
                int32_t sums[4];
#if OUNCE_DSP
                ounce_row_sums(conv, &plane, row, pairs, corrected, count, sums);
#else
                ounce_row_sums(conv, &plane, row, w_channel, corrected, count, sums);
#endif
                ounce_store_column(requantize, channel, sums, count, y, unclamped, at, (size_t)channels);
                at += (size_t)count * (size_t)channels;
                row = &row[4 * conv->stride_width];
            }
        }
    }
}
