// One unit of a small library, in a namespace of its own: `UNIT`. Inlined functions, templates and local types, so
// that the debug info has some of everything.
namespace UNIT {

volatile int sink;

struct Item {
  int price;
  enum Kind { plain, rare } kind;
};

template <typename Number> struct Basket {
  Number count;
  const Item *items;

  __attribute__((always_inline)) int total() const {
    int sum = 0;
    for (Number index = 0; index < count; index++)
      sum += items[index].price * (items[index].kind == Item::rare ? 7 : 3);
    return sum;
  }
};

__attribute__((always_inline)) inline int taxed(int sum) {
  int tax = sum / 5;
  sink = tax;
  return sum + tax;
}

template <typename Number> __attribute__((noinline)) int checkout(const Basket<Number> &basket) {
  int sum = taxed(basket.total());
  if (sum > 100)
    sink = taxed(sum / 2);
  return sum;
}

__attribute__((noinline)) int small(const Item *items) { return checkout(Basket<short>{2, items}); }

__attribute__((noinline)) int large(const Item *items, long count) {
  auto twice = [&](int times) __attribute__((noinline)) { return checkout(Basket<long>{count * times, items}); };
  return taxed(twice(2)) + small(items);
}

} // namespace UNIT
