// The C++ part of the program and of its library: a method of a class template, inlined into a function template,
// inlined into a function of a namespace.
#include <cstdio>

namespace shop {

// As `trail.rs` has it.
class Trail {
  struct Call {
    const char *function;
    int line;
  };
  const char *point;
  Call calls[4];
  int count = 0;

public:
  explicit Trail(const char *point) : point(point) {}

  Trail &at(const char *function, int line) {
    calls[count++] = {function, line};
    return *this;
  }

  __attribute__((noipa)) void mark() const {
    std::printf("{\"point\":\"%s\",\"address\":%llu,\"kind\":\"return\",\"chain\":[", point,
                (unsigned long long)__builtin_extract_return_addr(__builtin_return_address(0)));
    for (int index = count; index-- > 0;)
      std::printf("[\"%s\",\"truth/cpp.cc\",%d]%s", calls[index].function, calls[index].line, index ? "," : "]}\n");
    std::fflush(stdout);
  }
};

// Keeps the call before it from becoming a jump.
__attribute__((always_inline)) inline void stay() { __asm__ volatile(""); }

template <typename Item> struct Basket {
  __attribute__((always_inline)) void add(Trail &trail) const {
    trail.at("shop::Basket<int>::add(shop::Trail&) const", __LINE__).mark();
    stay();
  }
};

template <typename Item> __attribute__((always_inline)) inline void total(Trail &trail) {
  Basket<Item>().add(trail.at("void shop::total<int>(shop::Trail&)", __LINE__));
}

__attribute__((noinline)) void checkout(Trail &trail) {
  total<int>(trail.at("shop::checkout(shop::Trail&)", __LINE__));
}

} // namespace shop

extern "C" void truth_cpp(const char *point) {
  shop::Trail trail(point);
  shop::checkout(trail);
}
