// SPDX-License-Identifier: Apache-2.0
// Attention of every instruction set against attend_ref.h, bit for bit, in every shape.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "kernels/attend_scene.h"

namespace cairn::kernels {
namespace {

TEST(AttendTest, EveryHeadDimensionEqualsTheReference) {
  for (const int head_dim : {16, 32, 48, 64, 80, 96, 112, 128, 256, 512, 576}) {
    CheckShape({.head_dim = head_dim, .first = 50, .rows = 20});
    CheckShape({.head_dim = head_dim, .first = 250, .rows = 9});
  }
}

TEST(AttendTest, EveryGroupEqualsTheReference) {
  for (const int group : {1, 2, 3, 4, 5, 6, 7, 8, 12, 32, 71}) {
    CheckShape({.head_dim = 32, .heads = 1, .group = group, .first = 60, .rows = 11});
    CheckShape({.head_dim = 16, .heads = 2, .group = group, .first = 256, .rows = 1});
  }
}

TEST(AttendTest, EveryFirstPositionEqualsTheReference) {
  for (std::int64_t first = 0; first <= 300; first += first % 64 > 60 || first % 64 < 3 ? 1 : 19) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 3, .first = first, .rows = 7});
  }
}

TEST(AttendTest, EveryNumberOfRowsEqualsTheReference) {
  for (int rows = 1; rows <= 70; rows += rows < 34 ? 1 : 5) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 1 + rows % 4, .first = 33, .rows = rows});
  }
}

TEST(AttendTest, EveryWindowEqualsTheReference) {
  for (const int window : {1, 2, 15, 16, 17, 63, 64, 65, 100, 128, 191, 192, 256, 257, 300, 1000}) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 2, .first = 0, .rows = 70, .window = window});
    CheckShape({.head_dim = 64, .heads = 1, .first = 250, .rows = 40, .window = window});
    CheckShape({.head_dim = 16,
                .heads = 1,
                .group = 2,
                .first = 240,
                .rows = 40,
                .window = window,
                .chunked = true});
  }
}

TEST(AttendTest, SoftcapEqualsTheReference) {
  CheckShape({.first = 200, .rows = 70, .softcap = 5});
  CheckShape({.group = 1, .first = 30, .rows = 33, .window = 20, .softcap = 50, .spread = 100});
}

TEST(AttendTest, SlopesAndSinksEqualTheReference) {
  CheckShape({.first = 200, .rows = 70, .slopes = true});
  CheckShape({.first = 200, .rows = 70, .sinks = true});
  CheckShape({.head_dim = 16,
              .group = 9,
              .first = 510,
              .rows = 5,
              .window = 90,
              .slopes = true,
              .sinks = true});
  CheckShape({.group = 1,
              .first = 300,
              .rows = 3,
              .softcap = 20,
              .spread = 30,
              .slopes = true,
              .sinks = true});
}

TEST(AttendTest, RowsThatSeeTheWholeSequenceEqualTheReference) {
  for (int rows = 1; rows <= 340; rows += rows < 6 ? 1 : rows < 130 ? 21 : 97) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 1, .rows = rows, .whole = true});
    CheckShape({.head_dim = 32, .group = 2, .first = 61, .rows = rows, .whole = true});
    CheckShape({.head_dim = 16,
                .heads = 1,
                .group = 3,
                .rows = rows,
                .window = 40,
                .whole = true,
                .slopes = true,
                .sinks = true});
  }
}

TEST(AttendTest, RelativePositionsEqualTheReference) {
  CheckShape({.first = 200, .rows = 70, .relative = true});
  CheckShape(
      {.head_dim = 16, .heads = 2, .group = 3, .rows = 150, .whole = true, .relative = true});
  CheckShape({.head_dim = 32,
              .heads = 1,
              .group = 1,
              .first = 70,
              .rows = 5,
              .window = 50,
              .whole = true,
              .slopes = true,
              .relative = true});
}

TEST(AttendTest, HugeScoresEqualTheReference) {
  // Weights far below the cut-off of exp, and maxima that move at every tile.
  CheckShape({.first = 280, .rows = 35, .spread = 300});
  CheckShape({.group = 1, .first = 280, .rows = 35, .window = 130, .spread = 1e6});
}

TEST(AttendTest, NegativeZerosAndSaturatedValuesEqualTheReference) {
  for (const KvFormat format : kKvFormats) {
    const Shape shape{.head_dim = 32, .first = 100, .rows = 40, .format = format};
    Scene scene(shape);
    std::mt19937 random(3);
    for (std::vector<float>* rows : {&scene.keys(), &scene.values(), &scene.queries()}) {
      for (float& x : *rows) {
        const unsigned kind = random() % 16;
        if (kind < 4) x = -0.0f;
        if (kind == 4) x = 0.0f;
        if (kind == 5) x = 1e-7f;  // subnormal as f16
        if (kind == 6 && rows != &scene.queries()) x = 1e9f * (x > 0 ? 1.0f : -1.0f);
      }
    }
    scene.Restore(0, shape.first + shape.rows);
    CheckShape(shape, scene);
  }
}

// All scores are -0 or all values are -0: signs of zeros follow the formula too.
TEST(AttendTest, AllNegativeZeroValuesEqualTheReference) {
  for (const KvFormat format : kKvFormats) {
    const Shape shape{.head_dim = 16, .first = 0, .rows = 70, .format = format};
    Scene scene(shape);
    for (float& v : scene.values()) v = -0.0f;
    for (float& k : scene.keys()) k = -0.0f;
    scene.Restore(0, 70);
    CheckShape(shape, scene);
  }
}

}  // namespace
}  // namespace cairn::kernels
