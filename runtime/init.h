/* init.h: the weights that training starts from. */
#ifndef INIT_H
#define INIT_H

#include "nrt.h"

/* Fills every tensor of `state` by its role (nrt.h) and the model's `init`:
 *   torch_default    U(+-1/sqrt(fan_in))
 *   xavier_uniform   U(+-sqrt(6/(fan_in+fan_out)))      xavier_normal    N(0, 2/(fan_in+fan_out))   (Glorot and Bengio, 2010)
 *   kaiming_uniform  U(+-sqrt(6/fan_in))                kaiming_normal   N(0, 2/fan_in)             (He et al., 2015)
 * biases always U(+-1/sqrt(fan_in)). A tensor's numbers depend only on the seed and its name, in canonical order. */
void init_state(const nrt_model *m, char *state, uint64_t seed);
/* Elements of a tensor. */
int64_t init_tensor_elements(const nrt_tensor *t);

#endif
