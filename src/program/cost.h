// SPDX-License-Identifier: Apache-2.0
// What an operation costs, computed from its einsum and the shapes of a step.
// Threads: pure functions.
#pragma once

#include <string>

#include "program/program.h"

namespace cairn::program {

// Row counts of a step to be costed.
struct StepSize {
  double tokens = 1;     // T
  double sampled = 1;    // S
  double positions = 1;  // L: positions that a row sees, before any window
  // Experts that the rows meet; 0: not known, as many as rows that choose by lot meet on average.
  double experts = 0;
};

struct Cost {
  double operations = 0;        // multiplications and additions
  double weight_bytes = 0;      // stored bytes of weights that are read, each once; of
                                // experts only those that some row meets
  double kv_bytes = 0;          // f16 keys and values that are read or written
  double activation_bytes = 0;  // f32 inputs read and outputs written

  Cost& operator+=(const Cost& other);
};

// Experts of an operation kExperts that rows which choose by lot meet on average.
double ExpertsMet(const Program& program, const Operation& operation, double rows);

Cost CostOf(const Program& program, const Operation& operation, const StepSize& size);
Cost TotalCost(const Program& program, const StepSize& size);

// "[T, 576]": rows and width of a value.
std::string ShapeOf(const Program& program, Value value);

}  // namespace cairn::program
