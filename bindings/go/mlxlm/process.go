//go:build !nomlxlm

package mlxlm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	maxLine    = 1 << 20         // of the child, in bytes
	closeGrace = 2 * time.Second // between a request to quit and a kill
	pipeGrace  = time.Second     // for pipes that a grandchild may hold open
)

var errClosed = errors.New("mlxlm: model is closed")

// process is a child that reads and writes JSON Lines. Three goroutines serve it: one reads its stdout, one
// writes to its stdin, one waits for its end. So no call depends on what the child does or fails to do.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr tail

	writes  chan write    // room for all that can be under way: a request, its cancel
	replies chan line     // one at a time: a child that is ahead waits
	closing chan struct{} // closed by kill and close: nothing is wanted any more
	ended   chan struct{} // closed when stdout has ended; readErr says why
	exited  chan struct{} // closed when the child has been waited for; waitErr is its status

	readErr error
	waitErr error
	once    sync.Once
}

type write struct {
	line []byte
	done chan error
}

type line struct {
	reply reply
	err   error
}

func start(command, env []string, stderr io.Writer) (*process, error) {
	p := &process{
		cmd:     exec.Command(command[0], command[1:]...),
		stderr:  tail{forward: stderr},
		writes:  make(chan write, 2),
		replies: make(chan line),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
		exited:  make(chan struct{}),
	}
	p.cmd.Env = env
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = pipeGrace
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("mlxlm: stdin pipe: %w", err)
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		_ = p.stdin.Close()
		return nil, fmt.Errorf("mlxlm: stdout pipe: %w", err)
	}
	if err := p.cmd.Start(); err != nil { // closes the pipes
		return nil, fmt.Errorf("mlxlm: start %s: %w", command[0], err)
	}
	go p.readLines()
	go p.writeLines()
	go p.wait()
	return p, nil
}

func (p *process) readLines() {
	defer close(p.ended)
	scanner := bufio.NewScanner(p.stdout)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	for scanner.Scan() {
		var l line
		l.reply, l.err = parseReply(scanner.Bytes())
		select {
		case p.replies <- l:
		case <-p.closing:
		}
	}
	if err := scanner.Err(); err != nil {
		p.readErr = fmt.Errorf("mlxlm: scanner: %w", err)
	} else {
		p.readErr = errors.New("mlxlm: subprocess closed stdout")
	}
}

func (p *process) writeLines() {
	defer p.stdin.Close()
	for {
		select {
		case w := <-p.writes:
			_, err := p.stdin.Write(w.line)
			w.done <- err
		case <-p.closing:
			_, _ = p.stdin.Write([]byte("{\"cmd\":\"quit\"}\n")) // it may be dead already
			return
		case <-p.ended:
			return
		}
	}
}

// wait lets the child end by itself once its stdout has ended: its status says more than a kill.
func (p *process) wait() {
	<-p.ended
	killer := time.AfterFunc(closeGrace, func() { _ = p.cmd.Process.Kill() })
	p.waitErr = p.cmd.Wait()
	killer.Stop()
	close(p.exited)
}

// post queues a line and returns the channel that tells how it went; nil, with nothing queued, where the
// object is no JSON.
func (p *process) post(object map[string]any) (<-chan error, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	w := write{append(text, '\n'), make(chan error, 1)}
	select {
	case p.writes <- w:
		return w.done, nil
	case <-p.closing:
		return nil, errClosed
	case <-p.ended:
		return nil, p.death()
	}
}

// send writes one line. Where ctx ends first, it may still be written.
func (p *process) send(ctx context.Context, object map[string]any) error {
	done, err := p.post(object)
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		if err != nil { // it reads no more: that cannot be mended
			_ = p.cmd.Process.Kill()
			return fmt.Errorf("%w%s", err, p.lastWords())
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closing:
		return errClosed
	case <-p.ended:
		return p.death()
	}
}

// recv returns the next line. An ended context comes before a line that is there.
func (p *process) recv(ctx context.Context) (reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case l := <-p.replies:
		return l.reply, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closing:
		return nil, errClosed
	case <-p.ended:
		return nil, p.death()
	}
}

// death says why there are no more lines.
func (p *process) death() error {
	select {
	case <-p.closing:
		return errClosed
	default:
		return fmt.Errorf("%w%s", p.readErr, p.lastWords())
	}
}

// lastWords is the status of a child that is about to end, and the end of its stderr.
func (p *process) lastWords() string {
	var words strings.Builder
	select {
	case <-p.exited:
		fmt.Fprintf(&words, " (%s)", p.cmd.ProcessState)
	case <-time.After(closeGrace):
	}
	if text := p.stderr.String(); text != "" {
		words.WriteString(": " + text)
	}
	return words.String()
}

// kill ends the child at once.
func (p *process) kill() { _ = p.end(0) }

// close asks the child to quit, kills it after a while, and returns its status; later calls return nil.
func (p *process) close() error { return p.end(closeGrace) }

func (p *process) end(grace time.Duration) (status error) {
	p.once.Do(func() {
		close(p.closing)
		select {
		case <-p.exited:
		case <-time.After(grace):
			_ = p.cmd.Process.Kill()
			select {
			case <-p.exited:
			case <-time.After(pipeGrace):
				_ = p.stdout.Close() // a child of the child holds it
				<-p.exited
			}
		}
		status = p.waitErr
	})
	return status
}
