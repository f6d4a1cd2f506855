package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// The handshake and everything after it: nothing may wait for ever.
const clientLimit = 90 * time.Second

type client struct {
	common
	connect      string
	serverName   string
	ca           string
	downloads    string
	smallWindows bool
	parallel     int
	migrateAt    int64
}

func runClient(args []string) error {
	var c client
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	c.register(flags)
	flags.StringVar(&c.connect, "connect", "", "address of the server")
	flags.StringVar(&c.serverName, "server-name", "localhost", "as the certificate has it")
	flags.StringVar(&c.ca, "ca", "", "PEM of the trusted roots")
	flags.StringVar(&c.downloads, "downloads", "", "folder")
	flags.BoolVar(&c.smallWindows, "small-windows", false, "")
	flags.IntVar(&c.parallel, "parallel", 0, "a connection for each file, so many at once; 0: one for all")
	flags.Int64Var(&c.migrateAt, "migrate-at", 0, "after so many received bytes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), clientLimit)
	defer cancel()
	begin := time.Now()
	if err := c.run(ctx, flags.Args()); err != nil {
		return err
	}
	say(map[string]any{"event": "done", "ms": time.Since(begin).Milliseconds()})
	return nil
}

func (c *client) run(ctx context.Context, paths []string) error {
	if c.parallel == 0 {
		return c.connectAndDownload(ctx, paths)
	}
	room := make(chan struct{}, c.parallel)
	return all(paths, func(path string) error {
		room <- struct{}{}
		defer func() { <-room }()
		return c.connectAndDownload(ctx, []string{path})
	})
}

// all runs `work` for each item at once and returns what went wrong.
func all(items []string, work func(string) error) error {
	failures := make([]error, len(items))
	var group sync.WaitGroup
	for index, item := range items {
		group.Go(func() { failures[index] = work(item) })
	}
	group.Wait()
	return errors.Join(failures...)
}

func newTransport() (*quic.Transport, error) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return &quic.Transport{Conn: socket}, nil
}

func (c *client) connectAndDownload(ctx context.Context, paths []string) error {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(c.ca)
	if err != nil {
		return err
	}
	tlsConfig.RootCAs = x509.NewCertPool()
	if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s has no certificate", c.ca)
	}
	tlsConfig.ServerName = c.serverName
	config := quicConfig()
	if c.smallWindows {
		config.InitialStreamReceiveWindow = smallStreamWindow
		config.InitialConnectionReceiveWindow = smallConnectionWindow
	}
	address, err := net.ResolveUDPAddr("udp", c.connect)
	if err != nil {
		return err
	}
	transport, err := newTransport()
	if err != nil {
		return err
	}
	defer transport.Conn.Close()
	defer transport.Close()
	connection, err := transport.Dial(ctx, address, tlsConfig, config)
	if err != nil {
		return err
	}
	d := download{connection: connection, folder: c.downloads, migrateAt: c.migrateAt, migrated: make(chan error, 1)}
	if err := all(paths, func(path string) error { return d.file(ctx, path) }); err != nil {
		_ = connection.CloseWithError(1, "failed")
		return err
	}
	if c.migrateAt > 0 {
		if err := <-d.migrated; err != nil {
			return fmt.Errorf("migration: %w", err)
		}
	}
	return connection.CloseWithError(0, "")
}

type download struct {
	connection *quic.Conn
	folder     string
	received   atomic.Int64
	migrateAt  int64
	once       sync.Once
	migrated   chan error
}

func (d *download) file(ctx context.Context, path string) error {
	stream, err := d.connection.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stream, "GET "+path+"\r\n"); err != nil {
		return err
	}
	if err := stream.Close(); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(d.folder, strings.TrimPrefix(path, "/")))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, io.TeeReader(stream, progress{ctx, d}))
	return err
}

type progress struct {
	ctx context.Context
	*download
}

func (p progress) Write(bytes []byte) (int, error) {
	if received := p.received.Add(int64(len(bytes))); p.migrateAt > 0 && received >= p.migrateAt {
		p.once.Do(func() { go func() { p.migrated <- p.migrate(p.ctx) }() })
	}
	return len(bytes), nil
}

// migrate goes on from a new socket once that way is validated (RFC 9000 §9.2).
func (d *download) migrate(ctx context.Context) error {
	transport, err := newTransport()
	if err != nil {
		return err
	}
	path, err := d.connection.AddPath(transport)
	if err != nil {
		return err
	}
	if err := path.Probe(ctx); err != nil {
		return err
	}
	return path.Switch()
}
