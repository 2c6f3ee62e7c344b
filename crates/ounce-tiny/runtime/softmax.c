/* Exponential, logarithm and what a loss needs of them. The same bits on every machine: every line is one rounded operation after the other. The
 * polynomials are those of Cephes (S. Moshier), single precision. */
#include "ounce_internal.h"

/* 2^exponent, -126..127. */
static float ounce_power_of_two(int32_t exponent)
{
    const uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float y;
    (void)memcpy(&y, &bits, sizeof y);
    return y;
}

float ounce_exp(float x)
{
    float y;
    if (x > 88.0f) {
        y = 1.6516363e38f; /* e^88 */
    } else if (x < -87.0f) {
        y = 0.0f;
    } else {
        /* x = n ln 2 + r, |r| <= ln 2 / 2 */
        const int32_t n = ounce_round_even(x * 1.44269504f);
        const float whole = (float)n;
        const float most = x - whole * 0.693359375f;
        const float r = most - whole * -2.12194440e-4f;
        float p = 1.9875691500e-4f;
        p = p * r + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        p = p * (r * r) + r;
        y = (p + 1.0f) * ounce_power_of_two(n);
    }
    return y;
}

float ounce_log(float x)
{
    /* x = m 2^e, m in [sqrt(1/2), sqrt(2)) */
    uint32_t bits;
    float m;
    (void)memcpy(&bits, &x, sizeof bits);
    int32_t e = (int32_t)(bits >> 23) - 126;
    bits = (bits & 0x007fffffU) | 0x3f000000U;
    (void)memcpy(&m, &bits, sizeof m);
    if (m < 0.707106781f) {
        e -= 1;
        m = m + m;
    }
    const float f = m - 1.0f;
    const float z = f * f;
    const float whole = (float)e;
    float p = 7.0376836292e-2f;
    p = p * f + -1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f + -1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f + -1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f + -2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    p = p * f * z;
    p = p + whole * -2.12194440e-4f;
    p = p - 0.5f * z;
    return (f + p) + whole * 0.693359375f;
}

void ounce_dequantize_s32(int32_t count, const int32_t *q, float scale, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = (float)q[i] * scale;
    }
}

static float ounce_largest(int32_t count, const float *x)
{
    float most = x[0];
    for (int32_t i = 1; i < count; i++) {
        most = (x[i] > most) ? x[i] : most;
    }
    return most;
}

void ounce_softmax(int32_t count, const float *x, float *p)
{
    const float most = ounce_largest(count, x);
    float sum = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        p[i] = ounce_exp(x[i] - most);
        sum = sum + p[i];
    }
    for (int32_t i = 0; i < count; i++) {
        p[i] = p[i] / sum;
    }
}

/* ln(sum of exp(x - most)). */
static float ounce_log_sum(int32_t count, const float *x, float most)
{
    float sum = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        sum = sum + ounce_exp(x[i] - most);
    }
    return ounce_log(sum);
}

void ounce_log_softmax(int32_t count, const float *x, float *y)
{
    const float most = ounce_largest(count, x);
    const float log_sum = ounce_log_sum(count, x, most);
    for (int32_t i = 0; i < count; i++) {
        y[i] = (x[i] - most) - log_sum;
    }
}

float ounce_cross_entropy(int32_t count, const float *x, int32_t label, float *g)
{
    const float most = ounce_largest(count, x);
    const float loss = ounce_log_sum(count, x, most) - (x[label] - most);
    ounce_softmax(count, x, g);
    g[label] = g[label] - 1.0f;
    return loss;
}
