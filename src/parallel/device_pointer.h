// SPDX-License-Identifier: Apache-2.0
// A pointer into the memory of a device, and what stands for an element of it on the host.
//
// A DevicePointer is a random-access iterator. Dereferenced on the host it gives a ValueProxy:
// reading or writing that is a transfer which is waited for, so the standard's algorithms are right
// over device memory, and slow. In a kernel an algorithm has a plain pointer instead
// (LoopbackExecutor::Local), and a proxy reaches the element directly.
// Assigning one proxy to another copies the value: a proxy that took the other's place instead
// would make std::copy over device memory do nothing.
// Threads: values; an access is a transfer on the device's first stream. Cost: two thread switches
//   and the latencies of the device per access. Errors: an access throws what an earlier kernel
//   threw on that stream. Sheet: 07, section 3.
#pragma once

#include <compare>
#include <cstddef>
#include <iterator>
#include <type_traits>

#include "parallel/loopback_device.h"

namespace cairn::parallel {

template <typename T>
class ValueProxy {
 public:
  ValueProxy(LoopbackDevice* device, T* address) : device_(device), address_(address) {}
  ValueProxy(const ValueProxy&) = default;

  operator T() const {  // NOLINT(google-explicit-constructor): stands for a T
    static_assert(std::is_trivially_copyable_v<T>, "elements cross to the host as bytes");
    T value;
    device_->Read(&value, address_, sizeof(T));
    return value;
  }
  // Const, as an element behind a const proxy may change.
  const ValueProxy& operator=(const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>, "elements cross to the device as bytes");
    device_->Write(address_, &value, sizeof(T));
    return *this;
  }
  const ValueProxy& operator=(const ValueProxy& other) const { return *this = T(other); }
  ValueProxy& operator=(const ValueProxy& other) {
    *this = T(other);
    return *this;
  }
  friend void swap(ValueProxy a, ValueProxy b) {  // NOLINT(readability-identifier-naming): std's
    const T value = a;
    a = b;
    b = value;
  }

 private:
  LoopbackDevice* device_;
  T* address_;
};

template <typename T>
class DevicePointer {
 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = DevicePointer;
  using reference = ValueProxy<T>;

  DevicePointer() = default;
  DevicePointer(LoopbackDevice* device, T* address) : device_(device), address_(address) {}

  // The device address: faults when the host dereferences it.
  T* get() const { return address_; }
  LoopbackDevice* device() const { return device_; }

  reference operator*() const { return {device_, address_}; }
  reference operator[](difference_type i) const { return {device_, address_ + i}; }

  DevicePointer& operator+=(difference_type n) {
    address_ += n;
    return *this;
  }
  DevicePointer& operator-=(difference_type n) { return *this += -n; }
  DevicePointer& operator++() { return *this += 1; }
  DevicePointer& operator--() { return *this -= 1; }
  DevicePointer operator++(int) {
    DevicePointer before = *this;
    ++*this;
    return before;
  }
  DevicePointer operator--(int) {
    DevicePointer before = *this;
    --*this;
    return before;
  }
  friend DevicePointer operator+(DevicePointer p, difference_type n) { return p += n; }
  friend DevicePointer operator+(difference_type n, DevicePointer p) { return p += n; }
  friend DevicePointer operator-(DevicePointer p, difference_type n) { return p -= n; }
  friend difference_type operator-(DevicePointer a, DevicePointer b) {
    return a.address_ - b.address_;
  }
  friend bool operator==(DevicePointer a, DevicePointer b) { return a.address_ == b.address_; }
  friend std::strong_ordering operator<=>(DevicePointer a, DevicePointer b) {
    return a.address_ <=> b.address_;
  }

 private:
  LoopbackDevice* device_ = nullptr;
  T* address_ = nullptr;
};

}  // namespace cairn::parallel
