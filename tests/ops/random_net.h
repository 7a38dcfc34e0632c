/* random_net.h: networks as short lists of layer records, from which their source is printed. A seed gives one (random_net.c); a
 * failing one is made smaller on its records (random_shrink.h).
 *
 * A record is one statement. Branches are brackets in the list: NET_SAVE keeps `it` under a name, NET_SWAP goes on with the kept one
 * (and keeps the other), NET_JOIN makes one tensor of both. Sizes are relative where they can be (channels "as many as come in",
 * groups "as many as channels"), so that most records can be dropped or changed without a thought for the rest; net_shapes tells
 * whether a list is a network.
 */
#ifndef RANDOM_NET_H
#define RANDOM_NET_H

#include "../../compiler/base.h"

typedef enum NetOp {
    NET_CONV, NET_LINEAR, NET_MAX_POOL, NET_AVG_POOL, NET_ADAPTIVE, NET_GLOBAL_AVG, NET_GLOBAL_MAX, NET_NORM, NET_DROPOUT, NET_ACT, NET_FLATTEN, NET_SAVE,
    NET_SWAP, NET_JOIN
} NetOp;

typedef enum NetAct { ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_LEAKY, ACT_SILU, ACT_GELU, ACT_HARD_SWISH, ACT_SOFTMAX, ACTS } NetAct;
typedef enum NetJoin { JOIN_ADD, JOIN_SUB, JOIN_MUL, JOIN_CONCAT, JOIN_CONCAT_TWICE, JOINS } NetJoin;
typedef enum NetLoss { LOSS_SUM, LOSS_MEAN, LOSS_ENTROPY, LOSSES } NetLoss; /* of squared errors, or cross_entropy */

typedef struct NetSide { int kernel, stride, pad, dilation; } NetSide; /* adaptive: kernel is the size */

typedef struct NetRecord {
    NetOp op;
    int out;         /* conv: channels of each group; linear: features; 0: as many as come in */
    int groups;      /* conv; 0: as many as channels come in */
    int flag;        /* conv, linear: bias; norm: affine */
    int choice;      /* NetAct, NetJoin, or the place in dropout's table */
    NetSide side[2]; /* height, width */
} NetRecord;

typedef struct NetShape { int flat, c, h, w; } NetShape;

enum { NET_RECORDS = 40, NET_DEPTH = 4 };
typedef enum NetTile { TILE_NONE, TILE_PLANNED } NetTile; /* no such way; the planner's choice of tiles */

typedef struct RandomNet {
    NetShape in;
    int batch, images;
    int loss;                      /* NetLoss */
    int momentum, nesterov, decay; /* on or off */
    int lanes;                     /* images in the lanes at -O2; 0: what this machine has */
    int tile;                      /* Winograd's, of a third way to compile it (random_check.h): 2 .. 6, or one of NetTile */
    int n;
    NetRecord at[NET_RECORDS];
    uint64_t seed;                 /* of the numbers that it is run on */
} RandomNet;

/* The network of a seed: valid, and small enough to be evaluated several times in some hundredths of a second. */
RandomNet net_random(uint64_t seed);

/* shape[i]: what comes into record i; shape[n]: the output. False where the list is no network that the language takes and that has
 * something to train. */
bool net_valid(const RandomNet *net, NetShape shape[NET_RECORDS + 1]);
/* The same of the first records of a network, whose brackets may be open. */
bool net_shapes(const RandomNet *net, NetShape shape[NET_RECORDS + 1], int *open);
/* Is arithmetic on it exact, as long as whole numbers do not grow too large? */
bool net_is_whole(const RandomNet *net);
/* Multiply-adds of the forward pass on all images. */
double net_cost(const RandomNet *net);

/* The source. The caller frees it. */
Text net_text(const RandomNet *net);

#endif
