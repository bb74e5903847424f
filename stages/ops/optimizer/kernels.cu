// Optimizers: update a parameter and the moments of its gradient in place.

// Returns the gradient plus the gradient of the penalty l1 |w| + l2 w^2. The derivative of |w| at 0 counts as 0.
__device__ __forceinline__ float penalized(float gradient, float w, float l1, float l2) {
    float sign = w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f;
    return gradient + l1 * sign + 2.0f * l2 * w;
}

KERNEL adam(float *parameter, const float *gradient, float *first, float *second, int count, float rate, float beta1,
            float beta2, float epsilon, float root_correction, float l1, float l2) {
    for (EACH(index, count)) {
        float w = parameter[index];
        float g = penalized(gradient[index], w, l1, l2);
        float m = beta1 * first[index] + (1.0f - beta1) * g;
        float v = beta2 * second[index] + (1.0f - beta2) * g * g;
        first[index] = m;
        second[index] = v;
        parameter[index] = w - rate * m / (sqrtf(v) / root_correction + epsilon);
    }
}

KERNEL sgd(float *parameter, const float *gradient, float *velocity, int count, float rate, float momentum, float l1,
           float l2) {
    for (EACH(index, count)) {
        float w = parameter[index];
        float v = momentum * velocity[index] + penalized(gradient[index], w, l1, l2);
        velocity[index] = v;
        parameter[index] = w - rate * v;
    }
}
