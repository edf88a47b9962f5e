#include "catch.h"
#include "train/metrics.h"
