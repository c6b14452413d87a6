// hnswlib as a contestant: once over f32, once over 8-bit codes with the f32
// vectors beside them for the last ranking. One process is one measurement:
//
//   hnswlib contestant=f32|codes metric=ip|l2 base=… query=… truth=… dim=… …
//
// The files are raw little-endian rows (f32, f32, u32); see task.go, which
// starts it, for the arguments, and figures.go for the JSON it prints.
#include <fcntl.h>
#include <immintrin.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <hnswlib/hnswlib.h>

static std::map<std::string, std::string> args;

static const std::string &arg(const char *name) {
  auto it = args.find(name);
  if (it == args.end()) {
    fprintf(stderr, "argument %s is missing\n", name);
    exit(2);
  }
  return it->second;
}
static size_t number(const char *name) { return std::stoul(arg(name)); }

// A file of rows, mapped: its pages are not counted as the index's memory.
template <typename T> static const T *mapped(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) {
    perror(path.c_str());
    exit(1);
  }
  void *p = mmap(nullptr, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (p == MAP_FAILED) {
    perror(path.c_str());
    exit(1);
  }
  return static_cast<const T *>(p);
}

static double cpu() { // seconds, user and system
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + 1e-6 * (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double memory() { // bytes that are this process's own
  malloc_trim(0);
  FILE *f = fopen("/proc/self/status", "r");
  char line[256];
  double sum = 0, kb;
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "RssAnon: %lf", &kb) == 1 || sscanf(line, "RssShmem: %lf", &kb) == 1) sum += 1024 * kb;
  if (f) fclose(f);
  return sum;
}

using Ids = std::vector<uint32_t>;

struct Index {
  virtual ~Index() = default;
  virtual void add(uint32_t row, const float *v) = 0;
  virtual void width(size_t ef) = 0;
  virtual void search(const float *q, size_t k, Ids &out) = 0;
};

template <typename D> static void take(std::priority_queue<std::pair<D, hnswlib::labeltype>> &found, Ids &out) {
  out.clear();
  for (; !found.empty(); found.pop()) out.push_back(uint32_t(found.top().second));
}

static std::unique_ptr<hnswlib::SpaceInterface<float>> floats(size_t dim) {
  if (arg("metric") == "ip") return std::make_unique<hnswlib::InnerProductSpace>(dim);
  return std::make_unique<hnswlib::L2Space>(dim);
}

struct Floats : Index {
  std::unique_ptr<hnswlib::SpaceInterface<float>> space;
  hnswlib::HierarchicalNSW<float> graph;
  explicit Floats(size_t dim, size_t most) : space(floats(dim)), graph(space.get(), most, number("m"), number("efc")) {}
  void add(uint32_t row, const float *v) override { graph.addPoint(v, row); }
  void width(size_t ef) override { graph.setEf(ef); }
  void search(const float *q, size_t k, Ids &out) override {
    auto found = graph.searchKnn(q, k);
    take(found, out);
  }
};

// Code is a row of signed 8-bit codes with what their distance needs beside.
struct Code {
  int32_t norm, sum; // Σ c², Σ c
  int8_t codes[];
};

// The squared distance of two rows of codes, by their dot product.
static int codeDistance(const void *pa, const void *pb, const void *pdim) {
  auto a = static_cast<const Code *>(pa), b = static_cast<const Code *>(pb);
  size_t dim = *static_cast<const size_t *>(pdim), i = 0;
  int dot = 0;
#ifdef __AVX512VNNI__
  // VPDPBUSD takes unsigned by signed: a + 128, and 128 Σ b taken off again.
  const __m512i flip = _mm512_set1_epi8(char(0x80));
  __m512i s0 = _mm512_setzero_si512(), s1 = s0;
  for (; i + 128 <= dim; i += 128) {
    s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(_mm512_loadu_si512(a->codes + i), flip), _mm512_loadu_si512(b->codes + i));
    s1 = _mm512_dpbusd_epi32(s1, _mm512_xor_si512(_mm512_loadu_si512(a->codes + i + 64), flip), _mm512_loadu_si512(b->codes + i + 64));
  }
  dot = _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1)) - 128 * b->sum;
  for (size_t j = i; j < dim; j++) dot += (int(a->codes[j]) + 128) * b->codes[j];
#else
  for (; i < dim; i++) dot += int(a->codes[i]) * b->codes[i];
#endif
  return a->norm + b->norm - 2 * dot;
}

struct CodeSpace : hnswlib::SpaceInterface<int> {
  size_t dim;
  explicit CodeSpace(size_t d) : dim(d) {}
  size_t get_data_size() override { return sizeof(Code) + dim; }
  hnswlib::DISTFUNC<int> get_dist_func() override { return codeDistance; }
  void *get_dist_func_param() override { return &dim; }
};

struct Codes : Index {
  size_t dim, ef = 10;
  float low, step;
  CodeSpace space;
  hnswlib::HierarchicalNSW<int> graph;
  std::unique_ptr<hnswlib::SpaceInterface<float>> exact;
  float *vectors; // not touched before they are written
  Codes(size_t d, size_t most, const float *base, size_t rows)
      : dim(d), space(d), graph(&space, most, number("m"), number("efc")), exact(floats(d)),
        vectors(static_cast<float *>(malloc(most * d * sizeof(float)))) {
    // The range of the codes: all but the outermost of a sample.
    std::vector<float> sample(base, base + std::min<size_t>(rows, 2000) * d);
    std::sort(sample.begin(), sample.end());
    size_t cut = sample.size() / 10000;
    low = sample[cut];
    step = std::max((sample[sample.size() - 1 - cut] - low) / 255, 1e-20f);
  }
  ~Codes() override { free(vectors); }
  void encode(const float *v, std::vector<char> &to) {
    to.resize(sizeof(Code) + dim);
    Code *c = reinterpret_cast<Code *>(to.data());
    int norm = 0, sum = 0;
    for (size_t i = 0; i < dim; i++) {
      float at = std::min(255.f, std::max(0.f, (v[i] - low) / step));
      int x = int(at + .5f) - 128;
      c->codes[i] = int8_t(x);
      norm += x * x;
      sum += x;
    }
    c->norm = norm;
    c->sum = sum;
  }
  void add(uint32_t row, const float *v) override {
    thread_local std::vector<char> code;
    encode(v, code);
    memcpy(vectors + row * dim, v, dim * sizeof(float));
    graph.addPoint(code.data(), row);
  }
  void width(size_t w) override {
    ef = w;
    graph.setEf(w);
  }
  void search(const float *q, size_t k, Ids &out) override {
    thread_local std::vector<char> code;
    thread_local std::vector<std::pair<float, uint32_t>> ranked;
    encode(q, code);
    auto found = graph.searchKnn(code.data(), std::min(ef, 2 * k));
    auto distance = exact->get_dist_func();
    ranked.clear();
    for (; !found.empty(); found.pop()) {
      uint32_t row = uint32_t(found.top().second);
      ranked.emplace_back(distance(q, vectors + row * dim, exact->get_dist_func_param()), row);
    }
    std::sort(ranked.begin(), ranked.end());
    out.clear();
    for (size_t i = 0; i < ranked.size() && i < k; i++) out.push_back(ranked[i].second);
  }
};

using Clock = std::chrono::steady_clock;
static double since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

static size_t hits(const Ids &found, const uint32_t *truth, size_t k) {
  size_t n = 0;
  for (uint32_t id : found) n += std::count(truth, truth + k, id);
  return n;
}

// One thread inserts rows [from, to) as fast as it can; this one recalls, one
// at a time, at most one each pause. With a lock, an insert excludes recalls,
// as hnswlib's documentation asks for; without, they run beside each other.
static void ingest(Index &index, const char *how, bool lock, size_t from, size_t to, const float *base, const float *query, std::ostream &json) {
  const size_t dim = number("dim"), k = number("k"), queries = number("queries");
  const double most = std::stod(arg("ingest_seconds"));
  const auto pause = std::chrono::microseconds(number("pause_us"));
  std::shared_mutex mutex;
  std::atomic<bool> done{false};
  size_t inserted = 0;
  double took = 0;
  std::thread writer([&] {
    auto began = Clock::now();
    for (size_t r = from; r < to && since(began) < most; r++, inserted++) {
      std::unique_lock<std::shared_mutex> held(mutex, std::defer_lock);
      if (lock) held.lock();
      index.add(uint32_t(r), base + r * dim);
    }
    took = since(began);
    done = true;
  });
  std::vector<double> times;
  Ids found;
  auto due = Clock::now();
  for (size_t i = 0; !done; i++) {
    auto began = Clock::now();
    {
      std::shared_lock<std::shared_mutex> held(mutex, std::defer_lock);
      if (lock) held.lock();
      index.search(query + (i % queries) * dim, k, found);
    }
    times.push_back(1e3 * since(began));
    due = std::max(due + pause, Clock::now());
    std::this_thread::sleep_until(due);
  }
  writer.join();
  std::sort(times.begin(), times.end());
  auto at = [&](double q) { return times.empty() ? 0 : times[std::min(times.size() - 1, size_t(q * times.size()))]; };
  json << "{\"how\":\"" << how << "\",\"rate\":" << inserted / took << ",\"p50\":" << at(.5) << ",\"p99\":" << at(.99) << ",\"recalls\":" << times.size() << "}";
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (const char *eq = strchr(argv[i], '=')) args[std::string(argv[i], eq - argv[i])] = eq + 1;
  const size_t dim = number("dim"), rows = number("rows"), extra = number("extra"), queries = number("queries"), k = number("k");
  auto base = mapped<float>(arg("base")), query = mapped<float>(arg("query"));
  auto truth = mapped<uint32_t>(arg("truth"));
  std::ostringstream json;

  double before = memory(), began = cpu();
  std::unique_ptr<Index> index;
  if (arg("contestant") == "codes") index = std::make_unique<Codes>(dim, rows + extra, base, rows);
  else index = std::make_unique<Floats>(dim, rows + extra);
  for (size_t r = 0; r < rows; r++) index->add(uint32_t(r), base + r * dim);
  double inserts = rows / (cpu() - began);
  json << "{\"inserts\":" << inserts << ",\"bytes\":" << (memory() - before) / rows << ",\"points\":[";

  std::stringstream efs(arg("efs"));
  size_t width = 0;
  Ids found;
  bool first = true;
  for (std::string word; std::getline(efs, word, ',');) {
    size_t ef = std::stoul(word), hit = 0, asked = 0, passes = 0;
    index->width(ef);
    double start = cpu(), used = 0;
    for (; used < std::stod(arg("point_seconds")); passes++) {
      for (size_t i = 0; i < queries; i++, asked++) {
        index->search(query + i * dim, k, found);
        hit += hits(found, truth + i * k, k);
      }
      used = cpu() - start;
    }
    double recall = double(hit) / double(asked * k);
    json << (first ? "" : ",") << "{\"ef\":" << ef << ",\"recall\":" << recall << ",\"qps\":" << asked / used << "}";
    first = false;
    if (recall >= .95 && width == 0) width = ef;
    if (recall >= .995) break;
  }
  if (width) index->width(width);
  json << "],\"ingest\":[";
  if (extra > 0) {
    ingest(*index, "a lock around each insert", true, rows, rows + extra / 2, base, query, json);
    json << ",";
    ingest(*index, "no lock", false, rows + extra / 2, rows + extra, base, query, json);
  }
  json << "]}";
  puts(json.str().c_str());
  return 0;
}
