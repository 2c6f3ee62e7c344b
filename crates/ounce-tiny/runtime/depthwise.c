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
OUNCE_APART void ounce_fill_plane(const ounce_conv *conv, const int8_t *x, int32_t channel, const ounce_plane *plane)
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
    return ounce_wrapping_add(bias, -(x_zero * sum));
}

#if OUNCE_DSP
/* Rows of weights as pairs: of 4 taps (w0, w2) and (w1, w3), missing ones 0. */
static void ounce_pack_weights(const ounce_conv *conv, const int8_t *w, uint32_t *pairs)
{
    for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
        int32_t left = conv->kernel_width;
        while (left > 0) {
            const uint32_t w4 = (left >= 4) ? ounce_load4(w) : ounce_load_rest(w, left);
            pairs[0] = ounce_sxtb16(w4);
            pairs[1] = ounce_sxtb16_odd(w4);
            pairs = &pairs[2];
            w = &w[(left >= 4) ? 4 : left];
            left -= 4;
        }
    }
}

/* One place, any kernel: 4 taps at a time. */
OUNCE_INLINE int32_t ounce_window_sum(const int8_t *x, int32_t width, int32_t rows, int32_t quads, const uint32_t *pairs, int32_t bias)
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

/* Two neighbouring places, stride 1, one row of 3 taps: `outer` is (w0, w2), `inner` (w1, 0). */
#define OUNCE_PAIR_OF_3(from, outer, inner)          \
    do {                                             \
        const uint32_t x4 = ounce_load4(from);       \
        const uint32_t even = ounce_sxtb16(x4);      \
        const uint32_t odd = ounce_sxtb16_odd(x4);   \
        s0 = ounce_smlad(even, outer, s0);           \
        s0 = ounce_smlabb(odd, inner, s0);           \
        s1 = ounce_smlad(odd, outer, s1);            \
        s1 = ounce_smlatb(even, inner, s1);          \
    } while (0)

/* A row of outputs of a 3 x 3 kernel, stride 1. */
OUNCE_APART void ounce_row_of_3(const int8_t *x, int32_t width, const uint32_t *pairs, int32_t bias, int32_t count, int32_t *sums)
{
    const uint32_t p0 = pairs[0];
    const uint32_t p1 = pairs[1];
    const uint32_t p2 = pairs[2];
    const uint32_t p3 = pairs[3];
    const uint32_t p4 = pairs[4];
    const uint32_t p5 = pairs[5];
    const int32_t *const end = &sums[count & ~1];
    while (sums != end) {
        int32_t s0 = bias;
        int32_t s1 = bias;
        OUNCE_PAIR_OF_3(x, p0, p1);
        OUNCE_PAIR_OF_3(&x[width], p2, p3);
        OUNCE_PAIR_OF_3(&x[2 * width], p4, p5);
        sums[0] = s0;
        sums[1] = s1;
        sums = &sums[2];
        x = &x[2];
    }
    if ((count & 1) != 0) {
        sums[0] = ounce_window_sum(x, width, 3, 1, pairs, bias);
    }
}

/* One place, one row of 3 taps. */
#define OUNCE_ROW_OF_3(from, outer, inner)                        \
    do {                                                          \
        const uint32_t x4 = ounce_load4(from);                    \
        sum = ounce_smlad(ounce_sxtb16(x4), outer, sum);          \
        sum = ounce_smlad(ounce_sxtb16_odd(x4), inner, sum);      \
    } while (0)

/* A row of outputs of a 3 x 3 kernel, any stride. */
OUNCE_APART void ounce_strided_row_of_3(const int8_t *x, int32_t stride, int32_t width, const uint32_t *pairs, int32_t bias,
                                        int32_t count, int32_t *sums)
{
    const uint32_t p0 = pairs[0];
    const uint32_t p1 = pairs[1];
    const uint32_t p2 = pairs[2];
    const uint32_t p3 = pairs[3];
    const uint32_t p4 = pairs[4];
    const uint32_t p5 = pairs[5];
    const int32_t *const end = &sums[count];
    while (sums != end) {
        int32_t sum = bias;
        OUNCE_ROW_OF_3(x, p0, p1);
        OUNCE_ROW_OF_3(&x[width], p2, p3);
        OUNCE_ROW_OF_3(&x[2 * width], p4, p5);
        *sums = sum;
        sums = &sums[1];
        x = &x[stride];
    }
}

/* A row of outputs of a kernel with 5 (rows == 5) or 7 columns, stride 1, two at a time. */
OUNCE_INLINE void ounce_row_of_pairs(const int8_t *x, int32_t width, int32_t rows, const uint32_t *pairs, int32_t bias, int32_t count,
                                      int32_t *sums)
{
    const int32_t *const end = &sums[count & ~1];
    while (sums != end) {
        const int8_t *from = x;
        const uint32_t *w = pairs;
        const uint32_t *const w_end = &pairs[4 * rows];
        int32_t s0 = bias;
        int32_t s1 = bias;
        while (w != w_end) {
            const uint32_t left = ounce_load4(from);
            const uint32_t right = ounce_load4(&from[4]);
            const uint32_t e0 = ounce_sxtb16(left);
            const uint32_t o0 = ounce_sxtb16_odd(left);
            const uint32_t e1 = ounce_sxtb16(right);
            const uint32_t o1 = ounce_sxtb16_odd(right);
            s0 = ounce_smlad(e0, w[0], s0);
            s0 = ounce_smlad(o0, w[1], s0);
            s1 = ounce_smlad(o0, w[0], s1);
            s1 = ounce_smlatb(e0, w[1], s1);
            s1 = ounce_smlabt(e1, w[1], s1);
            if (rows == 5) {
                s0 = ounce_smlabb(e1, w[2], s0);
                s1 = ounce_smlabb(o1, w[2], s1);
            } else {
                s0 = ounce_smlad(e1, w[2], s0);
                s0 = ounce_smlabb(o1, w[3], s0);
                s1 = ounce_smlad(o1, w[2], s1);
                s1 = ounce_smlatb(e1, w[3], s1);
            }
            w = &w[4];
            from = &from[width];
        }
        sums[0] = s0;
        sums[1] = s1;
        sums = &sums[2];
        x = &x[2];
    }
    if ((count & 1) != 0) {
        sums[0] = ounce_window_sum(x, width, rows, 2, pairs, bias);
    }
}

/* A row of outputs, any stride, one at a time. */
OUNCE_INLINE void ounce_row_of_windows(const int8_t *x, int32_t stride, int32_t width, int32_t rows, int32_t quads,
                                        const uint32_t *pairs, int32_t bias, int32_t count, int32_t *sums)
{
    const int32_t *const end = &sums[count];
    while (sums != end) {
        *sums = ounce_window_sum(x, width, rows, quads, pairs, bias);
        sums = &sums[1];
        x = &x[stride];
    }
}

/* Sums of `count` neighbouring places of one row of outputs. */
OUNCE_APART void ounce_row_sums(const ounce_conv *conv, const ounce_plane *plane, const int8_t *x, const uint32_t *pairs, int32_t bias,
                           int32_t count, int32_t *sums)
{
    const int32_t stride = conv->stride_width;
    const int32_t width = plane->width;
    const int32_t rows = conv->kernel_height;
    const int32_t side = (rows == conv->kernel_width) ? rows : 0;
    if ((side == 3) && (stride == 1)) {
        ounce_row_of_3(x, width, pairs, bias, count, sums);
    } else if (side == 3) {
        ounce_strided_row_of_3(x, stride, width, pairs, bias, count, sums);
    } else if ((side == 5) && (stride == 1)) {
        ounce_row_of_pairs(x, width, 5, pairs, bias, count, sums);
    } else if ((side == 7) && (stride == 1)) {
        ounce_row_of_pairs(x, width, 7, pairs, bias, count, sums);
    } else if ((side == 5) || (side == 7)) {
        ounce_row_of_windows(x, stride, width, rows, 2, pairs, bias, count, sums);
    } else {
        ounce_row_of_windows(x, stride, width, rows, (conv->kernel_width + 3) / 4, pairs, bias, count, sums);
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
                sum = ounce_wrapping_add(sum, window[ky * plane->width + kx] * w[ky * conv->kernel_width + kx]);
            }
        }
        sums[c] = sum;
    }
}
#endif

/* Outputs whose sums are held at a time, from several rows where these are short. */
#define OUNCE_PLACES 64

void ounce_depthwise_s8(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const int8_t *w, const int32_t *bias,
                        const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch)
{
    const int32_t channels = conv->out_channels;
    const int32_t taps = conv->kernel_height * conv->kernel_width;
    const int32_t packed = conv->kernel_height * ((conv->kernel_width + 3) / 4) * 8;
    const ounce_plane plane = ounce_plane_of(conv, (int8_t *)scratch + packed);
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
        uint32_t *weights = (uint32_t *)scratch;
        ounce_pack_weights(conv, w_channel, weights);
#else
        const int8_t *weights = w_channel;
#endif
        int32_t sums[OUNCE_PLACES];
        int32_t held = 0;
        for (int32_t oy = 0; oy < conv->out_height; oy++) {
            const int8_t *row = &plane.bytes[oy * conv->stride_height * plane.width];
            int32_t ox = 0;
            while (ox < conv->out_width) {
                const int32_t left = conv->out_width - ox;
                const int32_t room = OUNCE_PLACES - held;
                const int32_t count = (left < room) ? left : room;
                ounce_row_sums(conv, &plane, &row[ox * conv->stride_width], weights, corrected, count, &sums[held]);
                ox += count;
                held += count;
                if (held == OUNCE_PLACES) {
                    ounce_store_places(requantize, channel, sums, held, y, unclamped, at, (size_t)channels);
                    at += (size_t)held * (size_t)channels;
                    held = 0;
                }
            }
        }
        ounce_store_places(requantize, channel, sums, held, y, unclamped, at, (size_t)channels);
    }
}
