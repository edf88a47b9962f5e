// All of handgrad: what other projects include after find_package(handgrad).
#pragma once

#include "core/device.h"
#include "core/error.h"
#include "core/random.h"
#include "core/shape.h"
#include "core/tensor.h"
#include "init/init.h"
#include "layers/dropout.h"
#include "layers/layer.h"
#include "layers/linear.h"
#include "layers/relu.h"
#include "layers/sequential.h"
#include "losses/cross_entropy.h"
#include "optim/optimizer.h"
#include "optim/sgd.h"
