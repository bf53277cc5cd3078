// SPDX-License-Identifier: Apache-2.0
// What attention reads and writes: rows by any splits, memory that a row may not see, rows that are
// not asked for, values that are not numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/attend_scene.h"

namespace cairn::kernels {
namespace {

TEST(AttendTest, SplitsOfTheRowsGiveTheSameBytes) {
  for (const KvFormat format : kKvFormats) {
    const Shape shape{.head_dim = 48,
                      .heads = 1,
                      .group = 3,
                      .first = 190,
                      .rows = 70,
                      .window = format == KvFormat::kF16 ? 0 : 40,
                      .format = format};
    Scene scene(shape);
    const std::vector<float> want = scene.Reference();
    for (const Isa isa : AvailableIsas()) {
      for (int block = 1; block <= kAttendRows; ++block) {
        SCOPED_TRACE(testing::Message() << IsaName(isa) << " block " << block);
        ExpectSameBits(scene.Attend(KernelsFor(isa), block), want, scene.Width());
        if (HasFatalFailure()) return;
      }
    }
  }
}

// A row's result while every position that it does not see is poison.
TEST(AttendTest, MemoryOutsideTheVisibleRangeIsNeverUsed) {
  const auto check = [](int window, KvFormat format) {
    const Shape shape{.head_dim = 32,
                      .heads = 1,
                      .group = 2,
                      .first = 100,
                      .rows = 40,
                      .window = window,
                      .format = format};
    Scene scene(shape);
    const std::vector<float> want = scene.Reference();
    for (int r = 0; r < shape.rows; ++r) {
      const std::int64_t last = shape.first + r;
      scene.Restore(window == 0 ? 0 : std::max<std::int64_t>(0, last - window + 1), last + 1);
      for (const Isa isa : AvailableIsas()) {
        SCOPED_TRACE(testing::Message() << IsaName(isa) << " window " << window << " row " << r);
        std::vector<float> out;
        const AttendView view = scene.View(out);
        AlignedBuffer scratch = Aligned(sizeof(float) * AttendScratchFloats(32, 2));
        KernelsFor(isa).attend(view, 0, r, r + 1, reinterpret_cast<float*>(scratch.data()));
        for (int c = 0; c < scene.Width(); ++c) {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(view.out.row(r)[c]),
                    std::bit_cast<std::uint32_t>(want[r * scene.Width() + c]))
              << c;
        }
      }
    }
  };
  for (const int window : {0, 1, 30, 64, 90}) {
    for (const KvFormat format : kKvFormats) check(window, format);
  }
}

TEST(AttendTest, RowsThatAreNotAskedForAreNotWritten) {
  const Shape shape{.first = 10, .rows = 12};
  Scene scene(shape);
  for (const Isa isa : AvailableIsas()) {
    std::vector<float> out;
    const AttendView view = scene.View(out);
    AlignedBuffer scratch = Aligned(sizeof(float) * AttendScratchFloats(64, 3));
    KernelsFor(isa).attend(view, 1, 3, 7, reinterpret_cast<float*>(scratch.data()));
    for (int r = 0; r < 12; ++r) {
      for (int c = 0; c < scene.Width(); ++c) {
        const bool asked = r >= 3 && r < 7 && c >= 3 * 64;
        ASSERT_EQ(view.out.row(r)[c] == -1.0f, !asked) << IsaName(isa) << " " << r << " " << c;
      }
    }
  }
}

// Section 9: what is not a number reaches the output of the rows that see it, and no other.
TEST(AttendTest, AVisibleValueThatIsNotANumberFailsTheRowsThatSeeIt) {
  const auto check = [](KvFormat format, float bad, bool in_keys) {
    SCOPED_TRACE(testing::Message() << static_cast<int>(format) << " " << bad << " " << in_keys);
    const Shape shape{
        .head_dim = 32, .heads = 1, .group = 2, .first = 60, .rows = 30, .format = format};
    Scene scene(shape);
    auto& rows = in_keys ? scene.keys() : scene.values();
    for (int c = 0; c < 32; ++c) rows[70 * 32 + c] = bad;
    if (in_keys) {  // so that the infinite score is positive
      for (float& q : scene.queries()) q = std::fabs(q);
    }
    scene.Restore(0, 90);
    const std::vector<float> now = scene.Reference();
    for (const Isa isa : AvailableIsas()) {
      for (const std::vector<float>& got :
           {scene.Attend(KernelsFor(isa), 32), scene.AttendInParts(KernelsFor(isa))}) {
        for (int i = 0; i < 30 * 64; ++i) {
          if (i / 64 < 10) {
            ASSERT_EQ(got[i], now[i]) << IsaName(isa) << " row " << i / 64;
          } else {
            ASSERT_FALSE(std::isfinite(got[i])) << IsaName(isa) << " row " << i / 64;
          }
        }
      }
    }
  };
  for (const KvFormat format : kKvFormats) {
    for (const bool in_keys : {false, true}) {
      check(format, std::numeric_limits<float>::quiet_NaN(), in_keys);
      check(format, std::numeric_limits<float>::infinity(), in_keys);
    }
  }
}

}  // namespace
}  // namespace cairn::kernels
