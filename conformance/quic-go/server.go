package main

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/quic-go/quic-go"
)

// A request is a line with a file name.
const maxRequest = 1024

func runServer(args []string) error {
	var common common
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	common.register(flags)
	bind := flags.String("bind", "127.0.0.1:0", "address")
	www := flags.String("www", "", "folder of the files")
	cert := flags.String("cert", "", "PEM, leaf first")
	key := flags.String("key", "", "PEM")
	retry := flags.Bool("retry", false, "every client must prove its address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tlsConfig, err := common.tlsConfig()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	tlsConfig.Certificates = []tls.Certificate{pair}
	address, err := net.ResolveUDPAddr("udp", *bind)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		return err
	}
	transport := &quic.Transport{Conn: socket}
	if *retry {
		transport.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	listener, err := transport.Listen(tlsConfig, quicConfig())
	if err != nil {
		return err
	}
	say(map[string]any{"event": "listening", "address": socket.LocalAddr().String()})
	go func() {
		for {
			connection, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			state := connection.ConnectionState().TLS
			say(map[string]any{"event": "connection", "alpn": state.NegotiatedProtocol})
			go serve(connection, *www)
		}
	}()
	// Until whoever started us goes.
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	listener.Close()
	return transport.Close()
}

func serve(connection *quic.Conn, www string) {
	for {
		stream, err := connection.AcceptStream(context.Background())
		if err != nil {
			say(map[string]any{"event": "closed", "reason": err.Error()})
			return
		}
		go answer(stream, www)
	}
}

// answer sends the file that `GET /name` asks for; nothing where there is none.
func answer(stream *quic.Stream, www string) {
	defer stream.Close()
	request, err := io.ReadAll(io.LimitReader(stream, maxRequest))
	if err != nil {
		return
	}
	words := strings.Fields(string(request))
	if len(words) != 2 || words[0] != "GET" {
		return
	}
	name := strings.TrimPrefix(words[1], "/")
	if name != filepath.Base(name) {
		return
	}
	file, err := os.Open(filepath.Join(www, name))
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = io.Copy(stream, file)
}
