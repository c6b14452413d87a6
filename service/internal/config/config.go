package config

import "time"

// Config is every setting of the server. The koanf tag is the name in the
// file, doc is the help for flags, printed files and the reference, and range
// is the interval that a number, a size or a duration must lie in.
type Config struct {
	Profile     string     `koanf:"profile" doc:"Named set of defaults: default, or small (laptops, small containers)." oneof:"default small"`
	Listen      string     `koanf:"listen" doc:"Address to serve on, host:port. Port 0 picks a free one."`
	ListenFile  string     `koanf:"listen_file" doc:"File that the chosen address is written to, for scripts. Empty: none."`
	AdminListen string     `koanf:"admin_listen" doc:"Address for pprof, apart from the main one. Empty: off."`
	DataDir     string     `koanf:"data_dir" doc:"Directory of journal and checkpoints; made when missing."`
	Log         Log        `koanf:"log" doc:"Logging, to standard error."`
	Queue       Queue      `koanf:"queue" doc:"The observation queue: three lanes, bounded in items and bytes."`
	Worker      Worker     `koanf:"worker" doc:"The worker pool, which journals and applies batches."`
	Session     Session    `koanf:"session" doc:"Sessions and their windows."`
	Limits      Limits     `koanf:"limits" doc:"Sizes beyond which a request or an observation is rejected."`
	Space       Space      `koanf:"space" doc:"Defaults for spaces that are created without saying otherwise."`
	Embed       Embed      `koanf:"embed" doc:"How text becomes a vector."`
	Journal     Journal    `koanf:"journal" doc:"The durable log."`
	Checkpoint  Checkpoint `koanf:"checkpoint" doc:"Checkpoints: what a start reads in place of the whole journal."`
	Telemetry   Telemetry  `koanf:"telemetry" doc:"Metrics. Traces follow the standard OTEL_ variables."`
	CORS        CORS       `koanf:"cors" doc:"Access from web pages of other origins."`
	Drain       Drain      `koanf:"drain" doc:"Stopping in good order."`
}

// Log says what is logged.
type Log struct {
	Level  string `koanf:"level" doc:"Least severity that is logged." oneof:"debug info warn error"`
	Format string `koanf:"format" doc:"Form of a log line." oneof:"json text"`
}

// Queue bounds the lanes.
type Queue struct {
	High   int  `koanf:"high" doc:"Capacity of the high lane, in observations." range:"1 100000000"`
	Normal int  `koanf:"normal" doc:"Capacity of the normal lane, in observations." range:"1 100000000"`
	Low    int  `koanf:"low" doc:"Capacity of the low lane, in observations." range:"1 100000000"`
	Bytes  Size `koanf:"bytes" doc:"Capacity of all lanes together, in bytes." range:"1MiB 1TiB"`
}

// Worker sizes the pool and its batches.
type Worker struct {
	Count    int `koanf:"count" doc:"Number of workers; 0 is one per processor (GOMAXPROCS)." range:"0 1024"`
	BatchMin int `koanf:"batch_min" doc:"Smallest batch that a worker aims at, in observations." range:"1 10000"`
	BatchMax int `koanf:"batch_max" doc:"Largest batch that a worker takes, in observations." range:"1 10000"`
}

// Session bounds sessions.
type Session struct {
	IdleTimeout time.Duration `koanf:"idle_timeout" doc:"Time without a stream after which a session's memory is freed (its marks are kept)." range:"1s 24h"`
	Retention   time.Duration `koanf:"retention" doc:"Time after its last use for which a session can be resumed." range:"1m 8760h"`
	MaxSessions int           `koanf:"max_sessions" doc:"Number of sessions in memory." range:"1 10000000"`
	Window      int           `koanf:"window" doc:"Largest credit window of a session, in observations." range:"1 1000000"`
	WindowBytes Size          `koanf:"window_bytes" doc:"Largest credit window of a session, in bytes." range:"64KiB 4GiB"`
	MaxBatch    int           `koanf:"max_batch" doc:"Largest batch in one frame or Observe call, in observations." range:"1 100000"`
}

// Limits bounds what is accepted.
type Limits struct {
	MaxObservationBytes Size `koanf:"max_observation_bytes" doc:"One observation, encoded." range:"1KiB 64MiB"`
	MaxContentBytes     Size `koanf:"max_content_bytes" doc:"The text of one observation." range:"1KiB 64MiB"`
	MaxMetadataBytes    Size `koanf:"max_metadata_bytes" doc:"The metadata of one observation, encoded." range:"0B 16MiB"`
	MaxRequestBytes     Size `koanf:"max_request_bytes" doc:"One request or stream frame." range:"64KiB 1GiB"`
	MaxDimension        int  `koanf:"max_dimension" doc:"Length of an embedding." range:"1 65536"`
	MaxSpaces           int  `koanf:"max_spaces" doc:"Number of spaces." range:"1 1000000"`
	Memory              Size `koanf:"memory" doc:"Anonymous memory of the process: what is not read from files. When it fills up, rows go into files, idle spaces leave memory, codes are dropped, and then observations are refused. 0, and at most: three quarters of what the machine or the container has." range:"0B 64TiB"`
}

// Space holds defaults for new spaces.
type Space struct {
	Metric         string        `koanf:"metric" doc:"How embeddings are compared." oneof:"cosine dot euclidean"`
	IndexThreshold int           `koanf:"index_threshold" doc:"Observations from which a space gets a graph; smaller ones are scanned. 0: always a graph." range:"0 1000000000"`
	History        time.Duration `koanf:"history" doc:"How far back recalls at an earlier generation or time can go." range:"0s 24h"`
	HibernateAfter time.Duration `koanf:"hibernate_after" doc:"Time without a write or a recall after which a space's rows leave memory; they are read again when they are wanted. 0: never." range:"0s 8760h"`
	Memory         Size          `koanf:"memory" doc:"Anonymous memory that one space may take before observations for it are refused. 0: no bound beside limits.memory." range:"0B 64TiB"`
	HNSW           HNSW          `koanf:"hnsw" doc:"The graph."`
}

// HNSW holds the parameters of the graph.
type HNSW struct {
	M              int `koanf:"m" doc:"Links per node and layer." range:"4 64"`
	EfConstruction int `koanf:"ef_construction" doc:"Width of the search that finds a new node's neighbours." range:"8 4096"`
}

// Embed chooses the embedder of new spaces.
type Embed struct {
	Kind      string `koanf:"kind" doc:"hashing (built in, compares spelling), openai (any compatible endpoint) or none (clients send vectors)." oneof:"hashing openai none"`
	Dimension int    `koanf:"dimension" doc:"Length of the vectors. For openai, 0 asks the endpoint at start." range:"0 65536"`
	OpenAI    OpenAI `koanf:"openai" doc:"The endpoint, for kind openai."`
}

// OpenAI names an endpoint that speaks the OpenAI embeddings protocol.
type OpenAI struct {
	BaseURL       string        `koanf:"base_url" doc:"Address without the version, as in https://api.openai.com."`
	Model         string        `koanf:"model" doc:"Name of the model."`
	APIKeyEnv     string        `koanf:"api_key_env" doc:"Name of the environment variable that holds the API key."`
	APIKeyFile    string        `koanf:"api_key_file" doc:"File that holds the API key; goes before api_key_env."`
	Timeout       time.Duration `koanf:"timeout" doc:"Time for one attempt." range:"10ms 10m"`
	MaxBatch      int           `koanf:"max_batch" doc:"Texts in one request." range:"1 2048"`
	MaxRetries    int           `koanf:"max_retries" doc:"How often a failed request is sent again." range:"0 20"`
	MaxConcurrent int           `koanf:"max_concurrent" doc:"Requests under way at once." range:"1 256"`
}

// Journal sizes the log.
type Journal struct {
	SegmentBytes Size `koanf:"segment_bytes" doc:"Size of a segment file; the next one is preallocated." range:"1MiB 4GiB"`
	WarnFree     Size `koanf:"warn_free" doc:"Free disk space below which pressure is signalled." range:"0B 1TiB"`
	RefuseFree   Size `koanf:"refuse_free" doc:"Free disk space below which new observations are refused. Room for two segments is wanted in any case." range:"0B 1TiB"`
}

// Checkpoint says when checkpoints are made.
type Checkpoint struct {
	Interval    time.Duration `koanf:"interval" doc:"Time after which what changed is written." range:"1s 24h"`
	TailBytes   Size          `koanf:"tail_bytes" doc:"Bytes of journal that a start may have to read; when there are more, a checkpoint is made." range:"1MiB 1TiB"`
	Rate        Size          `koanf:"rate" doc:"Speed of writing, in bytes per second, unless somebody waits for it. 0: no bound." range:"0B 64GiB"`
	EraseWithin time.Duration `koanf:"erase_within" doc:"Time within which the bytes of what was forgotten or deleted leave the disk." range:"1m 8760h"`
	ScrubEvery  time.Duration `koanf:"scrub_every" doc:"Time between two verifications of all checksums on disk. 0: never." range:"0s 8760h"`
}

// Telemetry bounds metrics.
type Telemetry struct {
	Metrics          bool `koanf:"metrics" doc:"Serve /metrics."`
	MetricSpaceLimit int  `koanf:"metric_space_limit" doc:"Spaces with series of their own; the rest are counted as other." range:"0 100000"`
}

// CORS opens the API to web pages.
type CORS struct {
	AllowedOrigins []string `koanf:"allowed_origins" doc:"Origins that may call from a browser, as in https://app.example.com, or * for any. The console's own always may."`
}

// Drain bounds the stop.
type Drain struct {
	Timeout time.Duration `koanf:"timeout" doc:"Time to finish what is under way after SIGTERM." range:"0s 1h"`
}

// Default returns the settings that hold when nothing else is said.
func Default() Config {
	return Config{
		Profile: "default",
		Listen:  "127.0.0.1:50051",
		DataDir: "engram-data",
		Log:     Log{Level: "info", Format: "text"},
		Queue:   Queue{High: 10_000, Normal: 100_000, Low: 50_000, Bytes: 256 * MiB},
		Worker:  Worker{BatchMin: 10, BatchMax: 500},
		Session: Session{
			IdleTimeout: 300 * time.Second, Retention: 24 * time.Hour, MaxSessions: 100_000,
			Window: 4096, WindowBytes: 16 * MiB, MaxBatch: 1000,
		},
		Limits: Limits{
			MaxObservationBytes: MiB, MaxContentBytes: 256 * KiB, MaxMetadataBytes: 64 * KiB,
			MaxRequestBytes: 16 * MiB, MaxDimension: 4096, MaxSpaces: 10_000,
		},
		Space: Space{
			Metric: "cosine", IndexThreshold: 10_000, History: 5 * time.Minute, HibernateAfter: 10 * time.Minute,
			HNSW: HNSW{M: 16, EfConstruction: 100},
		},
		Embed: Embed{Kind: "hashing", Dimension: 384, OpenAI: OpenAI{
			BaseURL: "https://api.openai.com", Model: "text-embedding-3-small", APIKeyEnv: "OPENAI_API_KEY",
			Timeout: 30 * time.Second, MaxBatch: 64, MaxRetries: 4, MaxConcurrent: 4,
		}},
		Journal:    Journal{SegmentBytes: 64 * MiB, WarnFree: 512 * MiB, RefuseFree: 128 * MiB},
		Checkpoint: Checkpoint{Interval: 5 * time.Minute, TailBytes: 256 * MiB, Rate: 64 * MiB, EraseWithin: 24 * time.Hour, ScrubEvery: 24 * time.Hour},
		Telemetry:  Telemetry{Metrics: true, MetricSpaceLimit: 200},
		CORS:       CORS{AllowedOrigins: []string{}},
		Drain:      Drain{Timeout: 30 * time.Second},
	}
}

// profiles holds what each profile changes, by key.
var profiles = map[string]map[string]any{
	"default": {},
	"small": {
		"queue.high": 2_000, "queue.normal": 20_000, "queue.low": 10_000, "queue.bytes": "64MiB",
		"session.max_sessions": 10_000, "session.window": 1024, "session.window_bytes": "4MiB",
		"limits.max_spaces": 1_000, "limits.memory": "1GiB", "journal.segment_bytes": "16MiB", "worker.batch_max": 200,
	},
}
