#!/usr/bin/env node
import { start } from '../main.ts';

await start(undefined);
