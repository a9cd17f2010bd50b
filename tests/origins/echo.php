<?php
// The PHP application of the system tests: says back what reached it, in the shape of application.py.
// `parameters` are all FastCGI parameters, so that a test sees what lightgate left in the request environment.

$body = fopen('php://input', 'rb');
$digest = hash_init('sha256');
$body_bytes = hash_update_stream($digest, $body);

header('Content-Type: application/json');
$strings = array_filter($_SERVER, 'is_string');
echo json_encode([
    'origin' => 'php',
    'method' => $_SERVER['REQUEST_METHOD'],
    'target' => $_SERVER['REQUEST_URI'],
    'parameters' => $strings,
    'body_bytes' => $body_bytes,
    'body_sha256' => hash_final($digest),
], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
