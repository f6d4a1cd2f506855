// Client and server for the hq-interop ALPN (HTTP/0.9 over QUIC) on quic-go, one of the reference peers of conformance/README.md.
// It owns the command line and what a test case asks of an endpoint; networks and checks are conformance/oracles'.
package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	alpn = "hq-interop"
	// Silence after which a connection is given up.
	idleTimeout = 30 * time.Second
	// For the handshakes over lossy networks; quic-go gives up after twice that.
	handshakeTimeout = 30 * time.Second
	// -small-windows: what the peer may send before it needs more credit, bytes.
	smallConnectionWindow = 128 << 10
	smallStreamWindow     = 64 << 10
	maxStreams            = 100
)

func say(event map[string]any) {
	line, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

// What both roles have.
type common struct {
	chacha20 bool
	keyLog   string
}

func (c *common) register(flags *flag.FlagSet) {
	flags.BoolVar(&c.chacha20, "chacha20", false, "TLS_CHACHA20_POLY1305_SHA256 only")
	flags.StringVar(&c.keyLog, "keylog", "", "SSLKEYLOGFILE")
}

func (c *common) tlsConfig() (*tls.Config, error) {
	if c.chacha20 {
		onlyChaCha20()
	}
	config := &tls.Config{NextProtos: []string{alpn}, MinVersion: tls.VersionTLS13}
	if c.keyLog != "" {
		file, err := os.OpenFile(c.keyLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		config.KeyLogWriter = file
	}
	return config, nil
}

func quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout: handshakeTimeout,
		MaxIdleTimeout:       idleTimeout,
		MaxIncomingStreams:   maxStreams,
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: hq server|client [flags]")
	}
	switch args[0] {
	case "server":
		return runServer(args[1:])
	case "client":
		return runClient(args[1:])
	}
	return fmt.Errorf("unknown role %q", args[0])
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		say(map[string]any{"event": "error", "message": err.Error()})
		os.Exit(1)
	}
}
