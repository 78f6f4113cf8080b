;;; vouch.el --- Signed WebAssembly artifacts, or none  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1") (eglot "1.9"))
;; Keywords: tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; vouchd is a local service that lets only signed WebAssembly artifacts
;; through, and a language server: in manifests and lock files that name
;; artifacts, what is refused is an error.  This tells Eglot of it,
;;
;;     (require 'vouch)
;;     (vouch-setup)
;;     (add-hook 'yaml-mode-hook #'eglot-ensure)
;;
;; and adds commands: `vouch-verify', `vouch-sign', `vouch-push' and the
;; rest.  The programs `vouchd' and `vouch' are needed.  Commands that ask
;; something, such as a passphrase, run `vouch' in a terminal.
;;
;; Eglot has one server for a buffer: where you have another for YAML, say
;; which with `vouch-modes'; the commands work without Eglot, too.

;;; Code:

(require 'eglot)
(require 'jsonrpc)
(require 'subr-x)
(require 'term)

(defgroup vouch nil
  "Signed WebAssembly artifacts, or none."
  :group 'tools
  :prefix "vouch-")

(defcustom vouch-service-program "vouchd"
  "The service's program, which is the language server."
  :type 'string)

(defcustom vouch-program "vouch"
  "The service's command line."
  :type 'string)

(defcustom vouch-modes
  '(yaml-mode yaml-ts-mode conf-toml-mode toml-mode toml-ts-mode
    js-json-mode json-mode json-ts-mode)
  "Major modes in which `vouch-setup' makes vouchd Eglot's server."
  :type '(repeat symbol))

;;;###autoload
(defun vouch-setup ()
  "Make vouchd the server for Eglot in `vouch-modes'."
  (add-to-list 'auto-mode-alist '("/wkg\\.lock\\'" . conf-toml-mode))
  (add-to-list 'eglot-server-programs
               (cons vouch-modes (list vouch-service-program "connect")))
  (add-hook 'eglot-managed-mode-hook #'vouch--hover-when-asked))

(defun vouch--hover-when-asked ()
  "Keep Eglot from asking vouchd for a hover wherever point rests.
A hover asks the registry that the reference names, whoever that is."
  ;; The hook runs at a connection's end too, where asking for the server would
  ;; make Eglot remember the dead one.
  (when (and (eglot-managed-p) (vouch--server))
    (remove-hook 'eldoc-documentation-functions
                 #'eglot-hover-eldoc-function t)))

;; What a command is about.

(defun vouch--server ()
  "The current buffer's connection to vouchd, or nil."
  (when-let ((server (eglot-current-server)))
    (and (equal (plist-get (eglot--server-info server) :name) "vouchd")
         server)))

(defun vouch--before-p (one other)
  "Whether the position ONE of a document comes before OTHER."
  (let ((line (plist-get one :line)) (there (plist-get other :line)))
    (or (< line there)
        (and (= line there)
             (< (plist-get one :character) (plist-get other :character))))))

(defun vouch--position ()
  "Where point is, as the service counts: lines, and units of UTF-16."
  (let ((before (buffer-substring-no-properties (line-beginning-position)
                                                (point))))
    (list :line (1- (line-number-at-pos nil t))
          :character (/ (length (encode-coding-string before 'utf-16le)) 2))))

(defun vouch--reference-at-point ()
  "The reference at point in its canonical form, or nil."
  (when-let ((server (vouch--server)))
    (let* ((point (vouch--position))
           (text (save-restriction
                   (widen)
                   (buffer-substring-no-properties (point-min) (point-max))))
           (found (jsonrpc-request
                   server :document/check
                   (list :uri (or buffer-file-name (buffer-name))
                         :text text :lookup "memory"))))
      (seq-some
       (lambda (it)
         (let ((range (plist-get it :range)))
           (and (not (vouch--before-p point (plist-get range :start)))
                (not (vouch--before-p (plist-get range :end) point))
                (plist-get it :reference))))
       (plist-get found :references)))))

(defun vouch--read-reference (prompt)
  "Read a reference with PROMPT; the one at point is the default."
  (let* ((here (ignore-errors (vouch--reference-at-point)))
         (said (read-string (format-prompt prompt here) nil nil here)))
    (if (or (null said) (string-empty-p said))
        (user-error "No reference")
      said)))

(defun vouch--whole-reference-p (said)
  "Whether SAID is written as a reference with a registry and a tag or digest."
  (or (string-prefix-p "oci:" said)
      (and (not (string-match-p "\\`[/.~]" said))
           (string-match-p "\\`\\(localhost\\|[^/]*[.:][^/]*\\)/" said)
           (string-match-p "[:@][^/]*\\'" said))))

(defun vouch--read-subject (prompt)
  "Read a file or a reference with PROMPT; the reference at point first.
Return it in a list, with t where it is a reference for sure: what a
document names is never a file, though one may have its name, nor is
what is read with a prefix argument."
  (let ((here (ignore-errors (vouch--reference-at-point)))
        (said (vouch--read-reference prompt)))
    (cond ((or current-prefix-arg (equal said here)) (list said t))
          ((not (file-exists-p said)) (list said nil))
          ((vouch--whole-reference-p said)
           (user-error "%s could mean two places: write ./%s for what is \
there by that name, or use a prefix argument for the reference" said said))
          (t (list (expand-file-name said) nil)))))

(defun vouch--show-subject (command subject reference)
  "Show the output of `vouch' COMMAND on SUBJECT, surely a REFERENCE or not."
  (if reference
      (vouch--show command "--reference" subject)
    (vouch--show command subject)))

(defun vouch--read-file (prompt)
  "Read the name of an artifact's file with PROMPT."
  (expand-file-name (read-file-name prompt nil nil t)))

;; Where commands run.

(defun vouch--terminal (&rest arguments)
  "Run `vouch' with ARGUMENTS in a terminal; return its buffer.
It stays, so that its end can be read."
  (let* ((name (concat "vouch " (car arguments)))
         (buffer (get-buffer (format "*%s*" name))))
    (when (and buffer (not (get-buffer-process buffer)))
      (kill-buffer buffer))
    (let ((new (apply #'term-ansi-make-term (generate-new-buffer-name (format "*%s*" name))
                      vouch-program nil arguments)))
      (with-current-buffer new
        (term-mode)
        (term-char-mode))
      (pop-to-buffer new)
      new)))

(defun vouch--show (&rest arguments)
  "Show the output of `vouch' with ARGUMENTS; return its exit code."
  (with-current-buffer (get-buffer-create "*vouch*")
    (let ((inhibit-read-only t))
      (erase-buffer)
      (let ((code (apply #'call-process vouch-program nil t nil arguments)))
        (special-mode)
        (goto-char (point-min))
        (display-buffer (current-buffer))
        code))))

(defun vouch--execute (command &rest arguments)
  "Have vouchd run COMMAND with ARGUMENTS; return the result.
Return nil where the current buffer is not connected."
  (when-let ((server (vouch--server)))
    (jsonrpc-request server :workspace/executeCommand
                     (list :command command :arguments (vconcat arguments))
                     :timeout 600)))

(defun vouch--trust (trust)
  "How TRUST, which a verification has, came about."
  (pcase (plist-get trust :mode)
    ("named" "it names them")
    ("pinned" "the repository has had them before")
    ("firstUse" "first use, nothing to compare them with")
    (_ "nobody checked whose signature it is")))

(defun vouch--tell (subject verification)
  "Tell people VERIFICATION, which is about SUBJECT; return its verdict."
  (let ((verdict (plist-get verification :verdict)))
    (if (equal verdict "accepted")
        (let ((trust (plist-get verification :trust))
              (signer (plist-get (plist-get verification :signature) :signer)))
          (message "accepted %s, signed by %s (rule %s: %s)" subject
                   (or (plist-get trust :signer) (plist-get signer :id))
                   (plist-get trust :rule) (vouch--trust trust)))
      (let ((refusal (plist-get verification :refusal)))
        (message "refused (%s): %s\n%s" (plist-get refusal :kind)
                 (plist-get refusal :message)
                 (or (plist-get refusal :help) ""))))
    verdict))

;; Commands.

;;;###autoload
(defun vouch-hover ()
  "Show what is known of the reference at point; its registry is asked."
  (interactive)
  (let ((server (or (vouch--server)
                    (user-error "This buffer is not connected to vouchd: \
M-x eglot"))))
    (jsonrpc-async-request
     server :textDocument/hover
     (list :textDocument (list :uri (eglot--path-to-uri buffer-file-name))
           :position (vouch--position))
     :timeout 600
     :success-fn (lambda (hover)
                   (vouch--show-hover (plist-get hover :contents)))
     :error-fn (lambda (error) (message "%s" (plist-get error :message)))
     :deferred :textDocument/hover)))

(defun vouch--show-hover (contents)
  "Show the CONTENTS of a hover, if it has any."
  (message "%s" (if contents
                    (eglot--format-markup contents)
                  "There is no reference at point")))

;;;###autoload
(defun vouch-verify (subject &optional reference)
  "Say whether SUBJECT, a file or a reference, is signed, and by whom.
With REFERENCE, a prefix argument, it is not a file's name."
  (interactive (vouch--read-subject "Verify"))
  (if-let ((said (vouch--execute "vouch.verify" subject)))
      (vouch--tell subject said)
    (vouch--show-subject "verify" subject reference)))

;;;###autoload
(defun vouch-inspect (subject &optional reference)
  "Show what SUBJECT, a file or a reference, is, and who signed it.
With REFERENCE, a prefix argument, it is not a file's name."
  (interactive (vouch--read-subject "Inspect"))
  (vouch--show-subject "inspect" subject reference))

;;;###autoload
(defun vouch-pull (reference destination)
  "Fetch the artifact REFERENCE, verify it, and name it DESTINATION.
A file that is there is not replaced."
  (interactive (list (vouch--read-reference "Pull")
                     (expand-file-name (read-file-name "To: "))))
  (if-let ((said (vouch--execute "vouch.pull" reference destination)))
      (vouch--tell reference (plist-get said :verification))
    (vouch--show "pull" reference "--output" destination)))

;;;###autoload
(defun vouch-sign (file)
  "Sign FILE in a terminal, with a key of yours."
  (interactive (list (vouch--read-file "Sign: ")))
  (vouch--terminal "sign" file))

;;;###autoload
(defun vouch-push (file reference)
  "Verify FILE and publish it as REFERENCE, in a terminal."
  (interactive (list (vouch--read-file "Push: ") (vouch--read-reference "To")))
  (vouch--terminal "push" file reference))

;;;###autoload
(defun vouch-login (registry)
  "Log in to REGISTRY in a terminal, for as long as the service lives."
  (interactive "sRegistry: ")
  (vouch--terminal "login" registry))

;;;###autoload
(defun vouch-logout (registry)
  "Log out of REGISTRY."
  (interactive "sRegistry: ")
  (vouch--show "logout" registry))

;;;###autoload
(defun vouch-allow-registry (registry)
  "Allow lookups at REGISTRY for documents until the service stops."
  (interactive "sRegistry: ")
  (unless (vouch--execute "vouch.allowRegistry" registry)
    (user-error "This buffer is not connected to vouchd: M-x eglot")))

;;;###autoload
(defun vouch-check (path)
  "Judge what the manifests at PATH, a file or folder, name."
  (interactive (list (expand-file-name (read-file-name "Check: "))))
  (vouch--show "check" path))

;;;###autoload
(defun vouch-tags (repository)
  "Show the tags of REPOSITORY."
  (interactive "sRepository: ")
  (vouch--show "tags" repository))

;;;###autoload
(defun vouch-status ()
  "Show what the service is doing."
  (interactive)
  (vouch--show "status"))

;;;###autoload
(defun vouch-sessions ()
  "Show the logins that the service has."
  (interactive)
  (vouch--show "sessions"))

;;;###autoload
(defun vouch-restart ()
  "Replace the service, after an upgrade; Eglot connects again."
  (interactive)
  (vouch--show "restart"))

(provide 'vouch)
;;; vouch.el ends here
