/* Gradients that flow back: masks, scales, transposed convolutions. */
#include "ounce_internal.h"

/* Element `at` of the mask. */
static inline int ounce_bit(const uint8_t *bits, size_t at)
{
    return (((uint32_t)bits[at >> 3] & (1U << (at & 7U))) != 0U) ? 1 : 0;
}

/* Whole bytes of the mask: channels are a multiple of 8. */
static void ounce_mask_scale_bytes(int32_t pixels, int32_t channels, const uint8_t *unclamped, const float *scale, float *g)
{
    for (int32_t p = 0; p < pixels; p++) {
        const float *by = scale;
        for (int32_t c = 0; c < channels; c += 8) {
            uint32_t bits = *unclamped;
            for (int32_t bit = 0; bit < 8; bit++) {
                g[bit] = ((bits & 1U) != 0U) ? (g[bit] * by[bit]) : 0.0f;
                bits >>= 1;
            }
            unclamped = &unclamped[1];
            by = &by[8];
            g = &g[8];
        }
    }
}

void ounce_gradient_mask_scale(int32_t pixels, int32_t channels, const uint8_t *unclamped, const float *scale, float *g)
{
    size_t at = 0U;
    if ((unclamped != NULL) && (scale != NULL) && ((channels % 8) == 0)) {
        ounce_mask_scale_bytes(pixels, channels, unclamped, scale, g);
        return;
    }
    for (int32_t p = 0; p < pixels; p++) {
        for (int32_t c = 0; c < channels; c++) {
            if ((unclamped != NULL) && (ounce_bit(unclamped, at) == 0)) {
                g[at] = 0.0f;
            } else if (scale != NULL) {
                g[at] = g[at] * scale[c];
            } else {
                /* passes as it is */
            }
            at++;
        }
    }
}

void ounce_gradient_scale(size_t count, const float *g, float factor, float *gx)
{
    for (size_t i = 0U; i < count; i++) {
        gx[i] = g[i] * factor;
    }
}

void ounce_gradient_add(size_t count, const float *g, float *gx)
{
    for (size_t i = 0U; i < count; i++) {
        gx[i] = gx[i] + g[i];
    }
}

void ounce_mean_gradient(int32_t pixels, int32_t channels, const float *g, float factor, float *gx)
{
    for (int32_t p = 0; p < pixels; p++) {
        ounce_gradient_scale((size_t)channels, g, factor, &gx[p * channels]);
    }
}

void ounce_bias_gradient(int32_t pixels, int32_t channels, const float *g, float *gb)
{
    int32_t c = 0;
    for (; (c + 4) <= channels; c += 4) {
        const float *from = &g[c];
        float s0 = 0.0f;
        float s1 = 0.0f;
        float s2 = 0.0f;
        float s3 = 0.0f;
        for (int32_t p = 0; p < pixels; p++) {
            s0 += from[0];
            s1 += from[1];
            s2 += from[2];
            s3 += from[3];
            from = &from[channels];
        }
        gb[c] = s0;
        gb[c + 1] = s1;
        gb[c + 2] = s2;
        gb[c + 3] = s3;
    }
    for (; c < channels; c++) {
        float sum = 0.0f;
        for (int32_t p = 0; p < pixels; p++) {
            sum += g[p * channels + c];
        }
        gb[c] = sum;
    }
}

/* Four pixels and four input channels at once: each weight is made a float once for four products. */
static void ounce_input_gradient_tile(int32_t in_channels, int32_t out_channels, const float *g, const int8_t *w, float *gx)
{
    const float *g0 = g;
    const float *g1 = &g[out_channels];
    const float *g2 = &g1[out_channels];
    const float *g3 = &g2[out_channels];
    const float *const end = g1;
    float a00 = 0.0f, a01 = 0.0f, a02 = 0.0f, a03 = 0.0f;
    float a10 = 0.0f, a11 = 0.0f, a12 = 0.0f, a13 = 0.0f;
    float a20 = 0.0f, a21 = 0.0f, a22 = 0.0f, a23 = 0.0f;
    float a30 = 0.0f, a31 = 0.0f, a32 = 0.0f, a33 = 0.0f;
    while (g0 != end) {
        const float w0 = (float)w[0];
        const float w1 = (float)w[1];
        const float w2 = (float)w[2];
        const float w3 = (float)w[3];
        const float v0 = *g0;
        a00 += v0 * w0;
        a01 += v0 * w1;
        a02 += v0 * w2;
        a03 += v0 * w3;
        const float v1 = *g1;
        a10 += v1 * w0;
        a11 += v1 * w1;
        a12 += v1 * w2;
        a13 += v1 * w3;
        const float v2 = *g2;
        a20 += v2 * w0;
        a21 += v2 * w1;
        a22 += v2 * w2;
        a23 += v2 * w3;
        const float v3 = *g3;
        a30 += v3 * w0;
        a31 += v3 * w1;
        a32 += v3 * w2;
        a33 += v3 * w3;
        w = &w[in_channels];
        g0 = &g0[1];
        g1 = &g1[1];
        g2 = &g2[1];
        g3 = &g3[1];
    }
    gx[0] = a00;
    gx[1] = a01;
    gx[2] = a02;
    gx[3] = a03;
    gx = &gx[in_channels];
    gx[0] = a10;
    gx[1] = a11;
    gx[2] = a12;
    gx[3] = a13;
    gx = &gx[in_channels];
    gx[0] = a20;
    gx[1] = a21;
    gx[2] = a22;
    gx[3] = a23;
    gx = &gx[in_channels];
    gx[0] = a30;
    gx[1] = a31;
    gx[2] = a32;
    gx[3] = a33;
}

void ounce_pointwise_input_gradient(int32_t pixels, int32_t in_channels, int32_t out_channels, const float *g, const int8_t *w,
                                    float *gx)
{
    for (int32_t i = 0; i < in_channels; i += 4) {
        const int32_t whole = (in_channels - i >= 4) ? (pixels & ~3) : 0;
        const int32_t inputs = (in_channels - i >= 4) ? 4 : (in_channels - i);
        for (int32_t p = 0; p < whole; p += 4) {
            ounce_input_gradient_tile(in_channels, out_channels, &g[p * out_channels], &w[i], &gx[p * in_channels + i]);
        }
        for (int32_t p = whole; p < pixels; p++) {
            for (int32_t rest = i; rest < (i + inputs); rest++) {
                float sum = 0.0f;
                for (int32_t o = 0; o < out_channels; o++) {
                    sum += g[p * out_channels + o] * (float)w[o * in_channels + rest];
                }
                gx[p * in_channels + rest] = sum;
            }
        }
    }
}

/* The output row or column that tap `k` takes input `i` to, or -1. */
static int32_t ounce_output_of(int32_t i, int32_t pad, int32_t k, int32_t stride, int32_t count)
{
    const int32_t at = i + pad - k;
    return ((at >= 0) && ((at % stride) == 0) && ((at / stride) < count)) ? (at / stride) : -1;
}

void ounce_conv_input_gradient(const ounce_conv *conv, const float *g, const int8_t *w, float *gx)
{
    const int32_t inputs = conv->in_channels;
    const int32_t outputs = conv->out_channels;
    const int32_t taps = conv->kernel_height * conv->kernel_width;
    for (int32_t iy = 0; iy < conv->in_height; iy++) {
        for (int32_t ix = 0; ix < conv->in_width; ix++) {
            float *to = &gx[(iy * conv->in_width + ix) * inputs];
            for (int32_t i = 0; i < inputs; i++) {
                float sum = 0.0f;
                for (int32_t tap = 0; tap < taps; tap++) {
                    const int32_t ky = tap / conv->kernel_width;
                    const int32_t kx = tap % conv->kernel_width;
                    const int32_t oy = ounce_output_of(iy, conv->pad_top, ky, conv->stride_height, conv->out_height);
                    const int32_t ox = ounce_output_of(ix, conv->pad_left, kx, conv->stride_width, conv->out_width);
                    if ((oy >= 0) && (ox >= 0)) {
                        const float *from = &g[(oy * conv->out_width + ox) * outputs];
                        for (int32_t o = 0; o < outputs; o++) {
                            sum += from[o] * (float)w[(o * taps + tap) * inputs + i];
                        }
                    }
                }
                to[i] = sum;
            }
        }
    }
}

/* The gradient of one channel with a border of zeros as wide as the kernel, and its weights in floats. A product with such a zero does not change a
 * sum that began with +0. */
typedef struct {
    float *plane;
    float *weights;
    int32_t width;
} ounce_gradient_plane;

static void ounce_fill_gradient_plane(const ounce_conv *conv, const float *g, const int8_t *w, int32_t channel,
                                      const ounce_gradient_plane *held)
{
    const int32_t channels = conv->out_channels;
    const int32_t taps = conv->kernel_height * conv->kernel_width;
    const float *from = &g[channel];
    for (int32_t oy = 0; oy < conv->out_height; oy++) {
        float *to = &held->plane[(oy + conv->kernel_height) * held->width + conv->kernel_width];
        for (int32_t ox = 0; ox < conv->out_width; ox++) {
            to[ox] = *from;
            from = &from[channels];
        }
    }
    for (int32_t t = 0; t < taps; t++) {
        held->weights[t] = (float)w[channel * taps + t];
    }
}

/* Four neighbouring inputs, stride 1. */
static void ounce_depthwise_gradient_4(const ounce_conv *conv, const ounce_gradient_plane *held, const float *corner, float *gx,
                                       int32_t channels)
{
    const float *w = held->weights;
    float s0 = 0.0f;
    float s1 = 0.0f;
    float s2 = 0.0f;
    float s3 = 0.0f;
    for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
        const float *from = corner;
        const float *const end = &w[conv->kernel_width];
        while (w != end) {
            const float weight = *w;
            s0 += from[0] * weight;
            s1 += from[1] * weight;
            s2 += from[2] * weight;
            s3 += from[3] * weight;
            from--;
            w = &w[1];
        }
        corner -= held->width;
    }
    gx[0] = s0;
    gx[channels] = s1;
    gx[2 * channels] = s2;
    gx[3 * channels] = s3;
}

/* One input, any stride: taps from (first_y, first_x) on in steps of the stride; `corner` is what the first of them takes. */
static inline float ounce_depthwise_gradient_1(const ounce_conv *conv, const ounce_gradient_plane *held, const float *corner,
                                               int32_t first_y, int32_t first_x)
{
    float sum = 0.0f;
    const int32_t width = conv->kernel_width;
    for (int32_t ky = first_y; ky < conv->kernel_height; ky += conv->stride_height) {
        const float *from = corner;
        const float *w = &held->weights[ky * width];
        for (int32_t kx = first_x; kx < width; kx += conv->stride_width) {
            sum += *from * w[kx];
            from--;
        }
        corner -= held->width;
    }
    return sum;
}

void ounce_depthwise_input_gradient(const ounce_conv *conv, const float *g, const int8_t *w, float *gx, void *scratch)
{
    const int32_t channels = conv->in_channels;
    const int32_t height = conv->out_height + 2 * conv->kernel_height;
    ounce_gradient_plane held;
    held.width = conv->out_width + 2 * conv->kernel_width;
    held.plane = (float *)scratch;
    held.weights = &held.plane[height * held.width];
    (void)memset(held.plane, 0, (size_t)height * (size_t)held.width * sizeof *held.plane);
    const int dense = (conv->stride_height == 1) && (conv->stride_width == 1);
    for (int32_t channel = 0; channel < channels; channel++) {
        float *to = &gx[channel];
        ounce_fill_gradient_plane(conv, g, w, channel, &held);
        for (int32_t iy = 0; iy < conv->in_height; iy++) {
            const int32_t y = iy + conv->pad_top;
            const int32_t first_y = y % conv->stride_height;
            const int32_t row = y / conv->stride_height + conv->kernel_height;
            const float *corners = &held.plane[row * held.width + conv->kernel_width];
            int32_t ix = 0;
            if (dense != 0) {
                for (; (ix + 4) <= conv->in_width; ix += 4) {
                    ounce_depthwise_gradient_4(conv, &held, &corners[ix + conv->pad_left], to, channels);
                    to = &to[4 * channels];
                }
            }
            for (; ix < conv->in_width; ix++) {
                const int32_t x = ix + conv->pad_left;
                *to = ounce_depthwise_gradient_1(conv, &held, &corners[x / conv->stride_width], first_y, x % conv->stride_width);
                to = &to[channels];
            }
        }
    }
}
